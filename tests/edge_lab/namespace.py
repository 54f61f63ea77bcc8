"""A network namespace of this process's own, where Docker's DNS address and the edge's ports are free whatever else runs here."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import socket
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1
T = TypeVar("T")
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def own_network() -> Iterator[None]:
    """Only this thread and what it starts from here on live in the namespace, which has a loopback interface and nothing else."""
    outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        _call(_libc.unshare(_CLONE_NEWNET), "unshare")
        try:
            _raise_loopback()
            yield
        finally:
            _call(_libc.setns(outside, _CLONE_NEWNET), "setns")
    finally:
        os.close(outside)


@contextmanager
def in_a_thread(living: Callable[[ThreadPoolExecutor], AbstractContextManager[T]]) -> Iterator[T]:
    """What ``living`` gives, made and ended in a thread that enters a network of its own; the rest of the test stays outside."""
    with ThreadPoolExecutor(1) as inside:
        life = living(inside)
        found = inside.submit(life.__enter__).result()
        try:
            yield found
        finally:
            inside.submit(life.__exit__, None, None, None).result()


def end_with_parent() -> None:
    """However the parent of this process ends, this one ends, too."""
    _call(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL), "prctl")


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))


def _call(result: int, name: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise RuntimeError(f"{name} failed: {os.strerror(number)}; the edge laboratory needs root for a network of its own")
