"""What the tasks run: answers `GET` with the name of its task set, and everything else with itself.

Handed to `python -c` in a task definition, so it has no imports but the standard library's.
"""

import asyncio
import os
import signal

NAME = os.environ.get("TASK_SET", "?")
PORT = int(os.environ.get("PORT", "8080"))


async def serve(reader, writer):
    try:
        while line := await reader.readline():
            if line.startswith(b"GET "):
                while (await reader.readline()).strip():
                    pass
                body = NAME.encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            else:
                writer.write(NAME.encode() + b" " + line)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "0.0.0.0", PORT)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with server:
        await ended.wait()
    # Open connections are cut: what is asked is what the load balancer does to them before this.
    os._exit(0)


asyncio.run(main())
