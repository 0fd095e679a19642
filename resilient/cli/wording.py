"""What `explain` found, in words for a person: verdict, meaning, advice, what is done, what next.

The words say no more than the object that `--json` prints, but for what the policy leaves to
the configuration.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from resilient.cli.terminal import in_words
from resilient.config.service import Service
from resilient.policy import Policy

Said = Mapping[str, Any]
"""What `resilient.explanation.Explanation` has in JSON."""

_SCOPES = {
    "credential": "all calls with this credential",
    "ip": "all calls from this IP address",
    "host": "all calls to this host",
    "endpoint": "all calls of this endpoint",
}


def told(said: Said, service: Service) -> Iterator[str]:
    """Yield the lines: the verdict first, in one."""
    yield f"{said['catalog']}: HTTP {said['status']}: {_verdict(said)}"
    if said["policy"] is None:
        yield from _answered(said)
    else:
        policy = service.policies[said["policy"]]
        first, *others = said["errors"]
        yield from _about(first)
        yield _line("library", _DONE[policy.action](said, policy))
        yield _line("next", _next(said, service))
        yield from (
            _line("also", f"{_what(each)} ({each['policy']}): {each['meaning']}") for each in others
        )
    yield from _notes(said)


def _line(label: str, text: str) -> str:
    return f"  {label:<9} {text}".rstrip()


def _what(error: Said) -> str:
    code = error["reported"] or error["code"]
    if code is None:
        return str(error["name"])
    return str(code) if code.rpartition("/")[2] == error["name"] else f"{code}, {error['name']}"


def _verdict(said: Said) -> str:
    if said["policy"] is None:
        return "no error"
    end = "sent again" if said["resend"] else f"not sent again, raises {said['exception']}"
    more = len(said["errors"]) - 1
    count = f" and {more} more" if more else ""
    return f"{_what(said['errors'][0])}{count}: {said['policy']}, {end}"


def _answered(said: Said) -> Iterator[str]:
    for each in said["answers"]:
        name = f"{each['code']}, {each['name']}" if each["code"] else each["name"]
        yield _line("meaning", f"{name}: {each['meaning'] or 'an answer, and no failure.'}")
    yield _line("library", "Hands the response to the caller as it is.")


def _about(error: Said) -> Iterator[str]:
    if error["meaning"]:
        yield _line("meaning", error["meaning"])
    if error["message"]:
        yield _line("server", error["message"])
    if error["advice"]:
        yield _line("advice", error["advice"])
    if error["support"]:
        yield _line("support", "The vendor says to turn to its support.")


def _between(said: Said) -> str:
    least, most = map(in_words, said["delay"])
    return least if least == most else f"{least} to {most}"


def _why(said: Said, policy: Policy) -> str:
    known = {
        "not_idempotent": f"the server may have carried it out, and {said['method']} twice is "
        "not the same as once",
        "deadline": f"the wait is longer than the policy's {in_words(policy.max_wait)}",
        "attempts": "the policy allows one attempt",
    }
    return known.get(said["retry_skipped"], "repeating is no option here")


def _retry(said: Said, policy: Policy) -> str:
    if not said["resend"]:
        return f"Does not send it again: {_why(said, policy)}."
    return f"Sends it again after {_between(said)}, {policy.attempts} times in all at most."


def _back_off(said: Said, policy: Policy) -> str:
    pause = (
        f"Pauses {_SCOPES[said['scope']]} for {_between(said)}; then one goes first and its "
        "answer decides about the rest."
    )
    if not said["resend"]:
        return f"{pause} This call is not sent again: {_why(said, policy)}."
    return f"{pause} This call is sent again, {policy.attempts} times in all at most."


def _reauth(said: Said, policy: Policy) -> str:
    if not said["resend"]:
        return f"Does not send it again: {_why(said, policy)}."
    return "Renews the credential once for every call that needs it, then sends this one again."


def _fail_fast(_: Said, __: Policy) -> str:
    return "Raises ApiError at once: the same call would fail again. Nothing is held."


def _block_warning(said: Said, _: Policy) -> str:
    start = f"Alerts (resilient.block_warning), raises Blocked, holds {_SCOPES[said['scope']]}"
    if said["delay"] is None:
        return f"{start} until somebody calls middleware.release(…)."
    least, most = said["delay"]
    return (
        f"{start} for {in_words(least)}, then sends one as a probe; each probe that fails "
        f"doubles that, up to {in_words(most)}."
    )


_DONE: Mapping[str, Callable[[Said, Policy], str]] = {
    "retry": _retry,
    "back_off": _back_off,
    "reauth": _reauth,
    "fail_fast": _fail_fast,
    "block_warning": _block_warning,
}


def _next(said: Said, service: Service) -> str:
    if said["action"] == "block_warning":
        return "Later calls in that scope raise ScopeBlocked at once; nothing of them is sent."
    if said["action"] == "fail_fast":
        return "A person, or the calling code, has to mend the cause."
    ban, exception = service.catalog.ban, said["exception"]
    text = f"If that does not help: {exception}." if said["resend"] else f"Raises {exception}."
    if said["retry_skipped"] == "not_idempotent":
        text += " Look whether it was carried out before you repeat it."
    if said["action"] == "back_off" and ban is not None:
        text += (
            f" {ban.after} refusals in a row within {in_words(ban.within)} may end in a ban: "
            "after the one before, nothing is sent."
        )
    return text


def _hint(hint: Said) -> str:
    whose = "all limits of the call" if hint["limit"] is None else hint["limit"]
    words = []
    if hint["calls"] is not None:
        words.append(f"{hint['calls']} calls in {in_words(hint['period'])}")
    if hint["remaining"] is not None:
        words.append(f"{hint['remaining'] or 'none'} left for {in_words(hint['reset'])}")
    return f"Of {whose} the server says: {', '.join(words)}."


def _notes(said: Said) -> Iterator[str]:
    """Yield what makes this answer less certain, or less than it looks."""
    if said["retry_after"] is not None:
        yield _line("asked", f"The server asks for {in_words(said['retry_after'])}.")
    yield from (_line("hint", _hint(each)) for each in said["hints"])
    if said["unmapped"]:
        yield _line(
            "unmapped",
            f"The catalog does not know {', '.join(said['unmapped'])}: the HTTP status decided.",
        )
    if said["truncated"]:
        yield _line("truncated", "Only the first 64 KiB of the body were looked into.")
    if said["host_known"] is False:
        yield _line(
            "host", "The URL's host is none of this service's: it would leave such a call alone."
        )
    if said["mode"] != "enforce" and said["policy"] is not None:
        yield _line(
            "mode",
            f"{said['mode']}: none of this is done"
            f"{', only said' if said['mode'] == 'observe' else ''}.",
        )
    if said["on_error"] == "return" and said["exception"] is not None:
        yield _line(
            "on_error", f"return: the response is handed back; {said['exception']} is not raised."
        )
