"""What the demo and the tests need around forwarder, on this machine alone: PostgreSQL from a wheel, and a local Kinesis."""
