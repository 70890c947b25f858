"""Gates: may this release enter this environment, and if not, why. Pure functions of the model."""
