"""Pulumi's Automation API over the projects that make an environment's target and an account's
foundations. It needs the `pulumi` program and the extra `shipit[pulumi]`, both at first use."""
