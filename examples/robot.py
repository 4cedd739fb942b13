"""A robot that tells where it is 20 times a second and goes where it is told: python robot.py http://localhost:8080/r/demo

Telemetry may be lost: only the latest counts. A command never is, and each is answered.
"""

import asyncio
import contextlib
import json
import sys

import sheetbend
from sheetbend import Request, RequestReceived


async def main(url: str) -> None:
    robot = Robot()
    async with sheetbend.connect(url, name="robot") as room, asyncio.TaskGroup() as tasks:
        telemetry = tasks.create_task(robot.tell(room))
        async for event in room:
            match event:
                case RequestReceived(_, request):
                    tasks.create_task(robot.obey(request))
        telemetry.cancel()


class Robot:
    def __init__(self) -> None:
        self.position = [0.0, 0.0]
        self.speed = [0.0, 0.0]

    async def tell(self, room: sheetbend.Room) -> None:
        while True:
            await asyncio.sleep(0.05)
            self.position = [at + step * 0.05 for at, step in zip(self.position, self.speed, strict=True)]
            for member in list(room.members.values()):
                with contextlib.suppress(sheetbend.SheetbendError):  # it may be gone by now
                    await member.send(json.dumps({"position": self.position}), reliable=False)

    async def obey(self, request: Request) -> None:
        match str(request.data).split():
            case ["go", x, y] if abs(float(x)) <= 1 and abs(float(y)) <= 1:
                self.speed = [float(x), float(y)]
                await request.reply("going")
            case _:
                await request.refuse("unknown_command", "I know 'go X Y', up to 1 m/s each.")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
