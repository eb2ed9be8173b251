"""``forwarder demo``: the whole product on this machine alone, and an audit of what it promises."""
