# Prints each frame that a WebSocket server sends, one per line.
import asyncio
import sys

import websockets


async def main(url):
    async with websockets.connect(url, subprotocols=["tidings.v1"]) as socket:
        async for frame in socket:
            print(frame, flush=True)


asyncio.run(main(sys.argv[1]))
