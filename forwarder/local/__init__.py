"""What the demo and the tests run on one machine: PostgreSQL from a wheel, and a Kinesis of our own."""
