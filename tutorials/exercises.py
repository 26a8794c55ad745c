"""The reader's answers to the tutorials' exercises: right, not yet, or still open."""

from collections.abc import Callable


def check(number: str, answer, right: Callable[[object], bool], hint: str) -> None:
    """Say whether an answer is right.

    Parameters
    ----------
    number : the exercise's, such as "1.2". answer : the reader's; None while it is open.
    right : right(answer) tests a property that only a right answer has.
    hint : what to think of when it has not.
    """
    if answer is None:
        print(f"Exercise {number}: open. Put your answer in place of None.")
        return
    try:
        done = bool(right(answer))
    except Exception as error:  # an answer may be anything: say what went wrong, do not stop
        print(f"Exercise {number}: not yet, {type(error).__name__}: {error}. Hint: {hint}")
        return
    print(f"Exercise {number}: " + ("right." if done else f"not yet. Hint: {hint}"))
