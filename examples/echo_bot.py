"""Says back whatever it is told: python echo_bot.py http://localhost:8080/r/demo"""

import asyncio
import sys

import sheetbend
from sheetbend import MemberJoined, MessageReceived


async def main(url: str) -> None:
    async with sheetbend.connect(url, name="echo") as room, asyncio.TaskGroup() as replies:
        async for event in room:
            match event:
                case MemberJoined(member):
                    replies.create_task(greet(member))
                case MessageReceived(member, data):
                    replies.create_task(answer(member, data))


async def greet(member: sheetbend.Member) -> None:
    await answer(member, "Say something!")


async def answer(member: sheetbend.Member, data: str | bytes) -> None:
    try:
        await member.send(data)
    except sheetbend.SheetbendError as error:  # the member is gone, say
        print(f"{member.name}: {error}", file=sys.stderr)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
