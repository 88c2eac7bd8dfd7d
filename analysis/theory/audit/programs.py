"""What the event loop, threads and timers do for a request, step by step."""

from collections.abc import Iterator
from dataclasses import replace

from analysis.theory.audit.demands import (
    AnswerSent,
    AwaitedTime,
    ConcurrentCalls,
    LoopBlock,
    ThreadCall,
    TokenChange,
    VisitDemand,
)
from analysis.theory.audit.steps import (
    LoopTurn,
    Pause,
    Program,
    ReturnToken,
    RunTogether,
    SendAnswer,
    Step,
    TakeToken,
)
from scenarios.units import Second

LOOPLESS = ("executor", "asgiref", "processes")
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
                turn = block_turn(turn, part)
            case AwaitedTime():
                steps += [turn, Pause(part.seconds), LoopTurn(is_polled=True)]
                turn = LoopTurn()
            case ThreadCall():
                steps += [turn, *call_thread(part)]
                turn = LoopTurn(gives_back=None if is_loopless(part.queue) else part.queue)
            case ConcurrentCalls():
                steps += [turn, RunTogether(tuple(map(build_task, part.calls)))]
                turn = LoopTurn()
            case TokenChange():
                steps += [turn, TakeToken(part.queue) if part.is_taken else ReturnToken(part.queue)]
                turn = LoopTurn()
            case AnswerSent():
                steps += [lengthen(turn, part_s), SendAnswer()]
                turn = LoopTurn()
    return tuple(steps) if turn == LoopTurn() else (*steps, turn)


def is_loopless(queue: str) -> bool:
    return queue.startswith(LOOPLESS)


def lengthen(turn: LoopTurn, seconds: Second) -> LoopTurn:
    return replace(turn, seconds=turn.seconds + seconds)


def block_turn(turn: LoopTurn, block: LoopBlock) -> LoopTurn:
    site = block.stretch if block.seconds > turn.seconds else turn.site
    return replace(lengthen(turn, block.seconds), site=site)


def call_thread(call: ThreadCall) -> Iterator[Step]:
    """Up to the turn in which the request goes on. anyio goes through the loop once before it asks
    for a token and once after it has it, and keeps the token until the request goes on. An
    executor's threads take their work themselves."""
    if is_loopless(call.queue):
        yield from (TakeToken(call.queue), Pause(call.seconds), ReturnToken(call.queue))
    else:
        yield from (LoopTurn(), TakeToken(call.queue), LoopTurn(), Pause(call.seconds))
    yield LoopTurn()


def build_task(call: ThreadCall) -> Program:
    """Of a task of its own, of several that run together."""
    back = LoopTurn(gives_back=None if is_loopless(call.queue) else call.queue)
    return (LoopTurn(), *call_thread(call), back)
