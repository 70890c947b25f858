"""Amazon ECS: an environment is a set of services in a cluster, on Fargate or on EC2 capacity."""
