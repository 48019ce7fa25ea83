"""A server on this machine that speaks OpenAI's chat completions and answers as a test says."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Request = dict[str, Any]


@contextmanager
def endpoint(answer: Callable[[Request], str]) -> Iterator[tuple[str, list[Request]]]:
    """Run the server. Gives its address, and the requests so far.

    Args:
        answer: the text for a request.
    """
    asked: list[Request] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(request)
            message = {"role": "assistant", "content": answer(request)}
            usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
            choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
            body = {"id": "1", "object": "chat.completion", "created": 1, "model": request["model"]}
            content = json.dumps(body | {"choices": choices, "usage": usage}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", asked
    finally:
        server.shutdown()
        server.server_close()
