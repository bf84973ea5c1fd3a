"""What the Python tests share: a real PostgreSQL, the real gateway, and the contract.

Nothing here stands in for a part: `postgres` owns a cluster, `gateway` runs the binary,
`client` speaks HTTP and hands every exchange to `contract`.
"""
