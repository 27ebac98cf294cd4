"""A way to MiniStack on which calls of some operations go wrong."""

import json
import threading

import between

# What is done, and answered with a failure.
LOST_REPLY = "LostReply"


class Faults:
    """What goes wrong with an operation, call by call; None goes well, and so does all that is not named."""

    def __init__(self, **answers):
        self.answers = {operation: list(codes) for operation, codes in answers.items()}
        self.made = []
        self.lock = threading.Lock()

    def next(self, operation):
        with self.lock:
            code = self.answers[operation].pop(0) if self.answers.get(operation) else None
            if code is not None:
                self.made.append((operation, code))
            return code


def endpoint(of, faults):
    """Its address: everything that is not to go wrong is handed on to the endpoint `of`."""

    def answer(request, body):
        code = faults.next(request.headers.get("x-amz-target", "").rpartition(".")[2])
        if code is not None and code != LOST_REPLY:
            status = 500 if code.startswith("Internal") else 400
            return status, json.dumps({"__type": code, "message": "made to go wrong"}).encode()
        status, answered = between.handed_on(request, body, of)
        return (500, b"{}") if code == LOST_REPLY and status == 200 else (status, answered)

    return between.address(answer)
