"""The steps of event loop, threads and timers for a request."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from analysis.theory.audit.parts import (
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
    ThreadCpu,
)
from scenarios.units import Second

LOOPLESS = ("executor", "asgiref", "processes")
"""Prefixes of queues whose threads fetch their own work."""


def build_program(visit: VisitDemand) -> Program:
    """Build the steps, with the CPU divided evenly among the loop's turns up to the response."""
    steps: list[Step] = [Pause(visit.client_s), LoopTurn(is_polled=True)]
    turn, answered = LoopTurn(), len(steps)
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
                steps += [turn, SendAnswer()]
                turn, answered = LoopTurn(), len(steps)
    rest = () if turn == LoopTurn() else (turn,)
    return (*add_cpu(steps[:answered], visit.cpu_s), *steps[answered:], *rest)


def add_cpu(steps: Sequence[Step], cpu_s: Second) -> Iterator[Step]:
    turns = sum(isinstance(each, LoopTurn) for each in steps)
    for each in steps:
        if isinstance(each, LoopTurn):
            yield replace(each, cpu_s=each.cpu_s + cpu_s / turns)
        else:
            yield each


def is_loopless(queue: str) -> bool:
    return queue.startswith(LOOPLESS)


def block_turn(turn: LoopTurn, block: LoopBlock) -> LoopTurn:
    return replace(
        turn,
        cpu_s=turn.cpu_s + block.cpu_s,
        seconds=turn.seconds + block.seconds - block.cpu_s,
        site=block.stretch if block.seconds > turn.cpu_s + turn.seconds else turn.site,
    )


def call_thread(call: ThreadCall) -> Iterator[Step]:
    """Build the steps up to the turn in which the request continues. anyio goes through the loop
    once before it takes a token and once after, and holds the token until the request continues.
    An executor's threads fetch their own work."""
    if is_loopless(call.queue):
        yield TakeToken(call.queue)
        yield from run_in_thread(call)
        yield ReturnToken(call.queue)
    else:
        yield from (LoopTurn(), TakeToken(call.queue), LoopTurn())
        yield from run_in_thread(call)
    yield LoopTurn()


def run_in_thread(call: ThreadCall) -> Iterator[Step]:
    """Let the thread wait first, then compute."""
    yield Pause(call.waking_s + call.seconds - call.cpu_s)
    if call.kept_s > 0:
        yield ThreadCpu(call.kept_s, is_kept=True, site=call.stretch)
    if call.cpu_s > call.kept_s:
        yield ThreadCpu(call.cpu_s - call.kept_s)


def build_task(call: ThreadCall) -> Program:
    """Build the program of one of several concurrent tasks."""
    back = LoopTurn(gives_back=None if is_loopless(call.queue) else call.queue)
    return (LoopTurn(), *call_thread(call), back)
