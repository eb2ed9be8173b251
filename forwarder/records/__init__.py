"""From a change to the bytes of a record and its partition key."""
