from __future__ import annotations

from threading import Barrier, Thread

import torch
from torch import Tensor

from search_spaces.modules.scoped import Scoped

FACTOR = Scoped("factor", 1.0)


def scaled(x: Tensor) -> Tensor:
    return x * FACTOR.get()


def scaled_twice(x: Tensor) -> Tensor:
    with FACTOR.put(3.0):
        with FACTOR.put(5.0):
            inner = scaled(x)
        return inner + scaled(x)


def test_the_value_is_that_of_the_innermost_block() -> None:
    assert FACTOR.get() == 1.0
    assert float(scaled_twice(torch.ones(()))) == 8.0
    assert FACTOR.get() == 1.0


def test_a_traced_function_has_the_blocks_inside_of_it() -> None:
    torch._dynamo.reset()
    compiled = torch.compile(scaled_twice, backend="eager", fullgraph=True)
    with FACTOR.put(7.0):
        assert float(compiled(torch.ones(()))) == 8.0
        assert FACTOR.get() == 7.0
    again = torch.compile(scaled, backend="eager", fullgraph=True)
    assert float(again(torch.ones(()))) == 1.0


def test_threads_do_not_meet() -> None:
    both, seen = Barrier(2), {}

    def work(value: float) -> None:
        with FACTOR.put(value):
            both.wait()
            seen[value] = FACTOR.get()
            both.wait()

    threads = [Thread(target=work, args=(value,)) for value in (2.0, 3.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {2.0: 2.0, 3.0: 3.0}
