"""The edge laboratory: the real rollout against a real HAProxy, with toy containers and no engine.

What is real: HostRollout with plan, executor, edge and gate (HttpProbe), releases on disk, HAProxy of the image's version with
the role's own configuration. What is played: the engine (toys.ToyDocker, below engine.Engine), Docker's DNS, docker compose
(host.ToyCompose) and the applications. All of it lives in a network namespace of its own.
"""
