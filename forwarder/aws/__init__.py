"""What all calls of AWS need: credentials, signatures, connections, and what an error means and how to mend it.

* ``aws_call`` in ``call``: bounds the time of one call, and raises its errors as those of this program
* ``session_of``, ``region_of``, ``require_region`` in ``session``: the credentials and the region of a sink
* ``CredentialsRenewal`` in ``credentials_renewal``: renews credentials before they end, beside the requests
* ``kinesis_client`` in ``kinesis_client``: the client of a stream, which tries once
* ``SignedPost`` in ``signed_post``: sends requests as botocore would, at a fraction of its cost
* ``TokenSigner``, ``token`` in ``rds_token``, ``read_secret`` in ``secrets``: by which the database lets us in
* ``code``, ``sentence`` in ``redaction``: as much of an answer as may be repeated in a log
"""
