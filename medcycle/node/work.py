"""Takes series through their states, one at a time: complete, vetted, synthesised, sent, cleaned up."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Event

from medcycle.errors import CaseFailed
from medcycle.isolation import as_data_error
from medcycle.node.hiding import Hidden, own_log
from medcycle.node.journal import Arrived, Job, Journal, State
from medcycle.node.making import Translator, make
from medcycle.node.receiver import TOO_MANY, Receiver
from medcycle.node.sender import Backoff, send
from medcycle.node.settings import NodeSettings
from medcycle.node.spool import Spool

__all__ = ["Dispatch", "Parts", "Stopped", "Workshop", "summary"]


NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class Stopped(Exception):
    """The node is to end; what was under way is done again later."""


@dataclass(frozen=True)
class Parts:
    """What the threads of a node share.

    Args:
        settings: of the node.
        journal: what has become of each series.
        spool: the files.
        say: called with a line for the log.
        stop: set when the node is to end.
    """

    settings: NodeSettings
    journal: Journal
    spool: Spool
    say: Callable[[str], None]
    stop: Event

    def end(self, job: Job, state: State, told: str, reason: str = "") -> bool:
        """Take a job to its last state, and remove its files; whether it had not changed meanwhile."""
        if not self.journal.advance(job, state, reason=reason):
            return False
        self.say(f"job {job.number}: {told}")
        self.clean(job.number)
        return True

    def clean(self, number: int) -> None:
        """Remove the files of a job that has ended, unless they are to be kept."""
        if not self.settings.keep:
            self.spool.remove(number)
        self.journal.cleaned(number, kept=self.settings.keep)


class Workshop:
    """Decides which series are complete, and makes CT of them.

    Args:
        parts: what the node's threads share.
        receiver: knows which senders are at work.
        translator: the model.
    """

    def __init__(self, parts: Parts, receiver: Receiver, translator: Translator) -> None:
        self.parts, self.receiver, self.translator = parts, receiver, translator

    def step(self) -> bool:
        """Do what there is to do, at most one synthesis; whether there was any."""
        for job in self.parts.journal.jobs("received"):
            if self.receiver.has_settled(job):
                self._settle(job)
        waiting = self.parts.journal.jobs("complete")
        if waiting:  # one that has failed lets the others go first
            self._synthesise(min(waiting, key=lambda job: (job.attempts, job.number)))
        return bool(waiting)

    def _settle(self, job: Job) -> None:
        """Whether a job that nobody sends to any more is complete, waits for a sender, or is given up."""
        items = self.parts.journal.instances(job.number)
        lacking = sum(not item.digest for item in items)
        waited, limits = self.receiver.waited(job), self.parts.settings.limits
        if lacking or job.sender in ("broke off", "at work"):
            if waited >= limits.return_seconds:
                why = f"{lacking} of its instances were refused" if lacking else "its sender broke off, or did not end"
                self._refuse(job, f"{why}, and it did not come again; send the whole series", "incomplete")
        elif job.sender == "ended" or waited >= limits.restart_seconds:
            self._complete(job, items)

    def _complete(self, job: Job, items: Sequence[Arrived]) -> None:
        """A job of which no more is to come: new, the same as before, or a part of what there was before."""
        came = {item.name: item.digest for item in items}
        earlier, known = self.parts.journal.earlier(job.series) or (None, {})
        if earlier and earlier.state != "incomplete" and came.items() <= known.items():
            self.receiver.forget(job.number)
            what = "the same" if len(came) == len(known) else f"{len(came)} of the {len(known)} instances"
            self.parts.end(job, "repeated", f"{what} as job {earlier.number}, which is done; nothing to do")
        elif earlier and not known.keys() - {TOO_MANY} <= came.keys():
            part = f"only a part of the series of job {earlier.number} came again; send the whole series"
            self._refuse(job, part, "incomplete" if earlier.state == "incomplete" else "refused")
        elif self.parts.journal.advance(job, "complete"):
            self.parts.say(f"job {job.number}: complete, {len(items)} instances")
            if job.sender == "cut off":
                cut = "this node ended while they came, and no more came since; they are taken for the whole series"
                self.parts.say(f"job {job.number}: warning: {cut}")

    def _refuse(self, job: Job, reason: str, state: State = "refused") -> None:
        self.receiver.forget(job.number)
        self.parts.end(job, state, f"refused: {reason}", reason)

    def _synthesise(self, job: Job) -> None:
        """Make CT of a series; an error is the series' own, unless it may be the machine's, when it is tried again."""
        limits = self.parts.settings.limits
        attempt = self.parts.journal.attempt(job)
        if attempt > limits.deaths:
            self._refuse(job, f"the program ended {attempt - 1} times while this series was synthesised")
            return
        hidden, fixed = self._hidden(job), False

        def warn(text: str) -> None:
            self.parts.say(f"job {job.number}: warning: {hidden.told(text)}")

        try:
            with own_log(warn):
                fixed = self._made(job, warn)
        except Stopped:
            self.parts.journal.attempt(job, -1)
            raise
        except Exception as error:  # noqa: BLE001 - with one series of many
            if isinstance(error, OSError) and error.errno in NO_ROOM:  # which is no reason to lose it
                self.parts.journal.attempt(job, -1)
                self.parts.say(f"job {job.number}: waits, since the spool's disk is full")
                self.parts.stop.wait(limits.pause)
                return
            failed = as_data_error(error)
            reason = hidden.told(str(failed))
            if isinstance(failed, CaseFailed) and attempt < limits.attempts:
                self.parts.say(f"job {job.number}: attempt {attempt} failed: {reason}")
                self.parts.stop.wait(limits.pause)
            else:
                self._refuse(job, reason)
        finally:
            if not fixed:
                self.parts.spool.remove_made(job.number)

    def _made(self, job: Job, warn: Callable[[str], None]) -> bool:
        """Make CT of a series, and fix what is to be sent; not if the series has changed meanwhile."""
        begun, spool = time.monotonic(), self.parts.spool
        items = self.parts.journal.instances(job.number)
        files = {item.name: spool.received(job.number) / f"{item.name}.dcm" for item in items}
        made = make(
            [files[item.name] for item in items if item.kind == "image"],
            [files[item.name] for item in items if item.kind == "structures"],
            spool.made(job.number, job.revision),
            self.translator,
            resample_irregular=self.parts.settings.resample_irregular,
            site=self.parts.settings.site,
            check=self._check,
            tell=warn,
        )
        folder = spool.received(job.number).parent
        outputs = {str(file.relative_to(folder)): file.stat().st_size for file in made.files}
        if not self.parts.journal.synthesised(job, outputs):
            self.parts.say(f"job {job.number}: more of it came meanwhile; it will be synthesised again")
            return False
        self.receiver.forget(job.number)
        spool.take(sum(outputs.values()), force=True)
        seconds, several = time.monotonic() - begun, f" of {made.volumes} volumes" if made.volumes > 1 else ""
        self.parts.say(f"job {job.number}: synthesised{several} in {seconds:.0f} s, {len(outputs)} files to send")
        return True

    def _check(self) -> None:
        if self.parts.stop.is_set():
            raise Stopped

    def _hidden(self, job: Job) -> Hidden:
        folder = self.parts.spool.received(job.number)
        items = self.parts.journal.instances(job.number)
        return Hidden([folder / f"{item.name}.dcm" for item in items], folder)


class Dispatch:
    """Sends what is synthesised, and tries again where that fails.

    Args:
        parts: what the node's threads share.
    """

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._down: Backoff | None = None
        self._refused: dict[int, Backoff] = {}

    def step(self) -> bool:
        """Send what is due; whether anything was sent."""
        jobs = {job.number: job for job in self.parts.journal.jobs("synthesised")}
        self._refused = {number: own for number, own in self._refused.items() if number in jobs}
        done = False
        for job in jobs.values():
            waits = (self._down, self._refused.get(job.number))
            if not self.parts.stop.is_set() and all(one is None or one.due <= time.monotonic() for one in waits):
                done = self._send(job) or done
        return done

    def _send(self, job: Job) -> bool:
        begun, parts, peer = time.monotonic(), self.parts, self.parts.settings.send_to
        files = {parts.spool.file(job.number, name): name for name in parts.journal.unsent(job.number)}
        sent = send(
            list(files),
            peer,
            parts.settings.title,
            confirm=lambda file: parts.journal.confirm(job.number, files[file]),
            stopped=parts.stop.is_set,
        )
        if sent.reached:
            self._down = None
        if sent.problem:
            if not parts.stop.is_set():
                self._wait(job, sent.problem, reached=sent.reached)
            return False
        self._refused.pop(job.number, None)
        seconds = time.monotonic() - begun
        return parts.end(job, "sent", f"sent to {peer.title}, {len(files)} files in {seconds:.1f} s")

    def _wait(self, job: Job, problem: str, *, reached: bool) -> None:
        limits = self.parts.settings.limits
        fresh = Backoff(limits.pause, limits.longest_pause)
        if reached:
            backoff = self._refused.setdefault(job.number, fresh)
        else:
            backoff = self._down = self._down or fresh
        wait = backoff.failed(time.monotonic())
        left = len(self.parts.journal.unsent(job.number))
        title = self.parts.settings.send_to.title
        self.parts.say(f"job {job.number}: {title} {problem}; {left} files wait, next try in {wait:.0f} s")


def summary(counts: Mapping[str, int]) -> str:
    """How many series there are in each state, in words."""
    counts = {**counts, "refused": counts.get("refused", 0) + counts.get("incomplete", 0)}
    waiting = {"received": "arriving", "complete": "to be synthesised", "synthesised": "to be sent"}
    ended = [f"{counts.get(state, 0)} {state}" for state in ("sent", "refused", "repeated")]
    return ", ".join([*ended, *(f"{counts[state]} {word}" for state, word in waiting.items() if counts.get(state))])
