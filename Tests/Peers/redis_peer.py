"""Reads with redis-py what our client wrote, and writes what our client reads: HOST PORT PREFIX."""
import sys

import redis

host, port, prefix = sys.argv[1], int(sys.argv[2]), sys.argv[3]
client = redis.Redis(host=host, port=port, protocol=3)
every_byte = bytes(range(256)) * 300

assert client.get(prefix + "ours") == every_byte, "a string of ours"
assert 0 < client.pttl(prefix + "ours") <= 60_000, "its expiry"
assert client.hgetall(prefix + "ours-hash") == {b"f": b"1", "ü".encode(): b"", b"g": b"\r\n$-1\r\n"}, "a hash of ours"
assert client.evalsha(client.script_load("return ARGV[1]"), 0, "x") == b"x"

client.set(prefix + "theirs", every_byte, px=60_000)
client.hset(prefix + "theirs-hash", mapping={"f": "1", "ü": "", "g": "\r\n$-1\r\n"})
client.zadd(prefix + "theirs-scores", {"a": 1.5, "b": float("inf")})
client.sadd(prefix + "theirs-set", "x", "y")
client.rpush(prefix + "theirs-list", "1", "2")
print("done")
