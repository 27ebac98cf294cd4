"""A way to MiniStack on which calls of some operations go wrong."""

import contextlib
import http.server
import json
import threading
import urllib.error
import urllib.request


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


@contextlib.contextmanager
def endpoint(of, faults):
    """Its address: everything that is not to go wrong is handed on to the endpoint `of`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            operation = self.headers.get("x-amz-target", "").rpartition(".")[2]
            code = faults.next(operation)
            if code is not None and code != LOST_REPLY:
                status = 500 if code.startswith("Internal") else 400
                return self.answer(status, json.dumps({"__type": code, "message": "made to go wrong"}).encode())
            request = urllib.request.Request(of + self.path, data=body, headers=dict(self.headers))
            try:
                with urllib.request.urlopen(request, timeout=30) as answered:
                    if code == LOST_REPLY:
                        return self.answer(500, b"{}")
                    self.answer(answered.status, answered.read())
            except urllib.error.HTTPError as refused:
                self.answer(refused.code, refused.read())

        def answer(self, status, body):
            self.send_response(status)
            self.send_header("content-type", "application/x-amz-json-1.0")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
