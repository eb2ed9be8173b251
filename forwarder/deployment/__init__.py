"""What ``forwarder ecs`` writes: how a configuration runs on ECS, and what it may do there. Pure; nothing here calls AWS."""
