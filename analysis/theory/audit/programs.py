"""What the event loop, threads and timers do for a request, step by step."""

from collections.abc import Iterator
from dataclasses import replace

from analysis.theory.audit.demands import (
    AnswerSent,
    AwaitedTime,
    LoopBlock,
    ThreadCall,
    VisitDemand,
)
from analysis.theory.audit.steps import (
    LoopTurn,
    Pause,
    Program,
    ReturnToken,
    SendAnswer,
    Step,
    TakeToken,
)
from scenarios.units import Second

EXECUTORS = ("executor", "asgiref")
"""How the names of queues begin whose threads take their work themselves."""


def build_program(visit: VisitDemand) -> Program:
    """A third of the CPU is to read the request, a third before what it waits for, the rest at the
    end."""
    part_s = visit.cpu_s / 3
    steps: list[Step] = [Pause(visit.client_s), LoopTurn(part_s, is_polled=True)]
    turn = LoopTurn(part_s)
    for part in visit.parts:
        match part:
            case LoopBlock():
                turn = lengthen(turn, part.seconds)
            case AwaitedTime():
                steps += [turn, Pause(part.seconds), LoopTurn(is_polled=True)]
                turn = LoopTurn()
            case ThreadCall():
                steps += [turn, *call_thread(part)]
                is_executor = part.queue.startswith(EXECUTORS)
                turn = LoopTurn(gives_back=None if is_executor else part.queue)
            case AnswerSent():
                steps += [lengthen(turn, part_s), SendAnswer()]
                turn = LoopTurn()
    return tuple(steps) if turn == LoopTurn() else (*steps, turn)


def lengthen(turn: LoopTurn, seconds: Second) -> LoopTurn:
    return replace(turn, seconds=turn.seconds + seconds)


def call_thread(call: ThreadCall) -> Iterator[Step]:
    """Up to the turn in which the request goes on. anyio goes through the loop once before it asks
    for a token and once after it has it, and keeps the token until the request goes on. An
    executor's threads take their work themselves."""
    if call.queue.startswith(EXECUTORS):
        yield from (TakeToken(call.queue), Pause(call.seconds), ReturnToken(call.queue))
    else:
        yield from (LoopTurn(), TakeToken(call.queue), LoopTurn(), Pause(call.seconds))
    yield LoopTurn()
