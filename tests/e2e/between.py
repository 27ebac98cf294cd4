"""An address in this process, between the functions and what they call."""

import contextlib
import http.server
import threading
import urllib.error
import urllib.request


@contextlib.contextmanager
def address(answer):
    """It answers the status and the body that `answer(request, body)` has for each request."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            status, body = answer(self, self.rfile.read(int(self.headers["content-length"])))
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


def handed_on(request, body, to):
    """What the endpoint `to` answers: status and body."""
    headers = {**request.headers, "content-length": str(len(body))}
    request = urllib.request.Request(to + request.path, data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answered:
            return answered.status, answered.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read()
