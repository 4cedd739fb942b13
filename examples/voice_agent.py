"""Listens until somebody has finished speaking, then answers: python voice_agent.py http://localhost:8080/r/demo"""

import asyncio
import sys
from collections.abc import AsyncIterator

import numpy as np
from numpy.typing import NDArray

import sheetbend

Sound = NDArray[np.int16]  # 48 kHz, one channel
LOUD, SILENCE_S, FRAME = 500, 0.6, 960


async def answer(utterance: Sound) -> Sound:
    return utterance  # Yours: speech to text, a model, text to speech. This one says the same again.


async def main(url: str) -> None:
    speech: asyncio.Queue[Sound] = asyncio.Queue()
    async with sheetbend.AudioSource(spoken(speech)) as source, sheetbend.connect(url, name="agent") as room:
        await room.publish(source.track, label="voice")
        async with asyncio.TaskGroup() as listeners:
            async for event in room:
                if isinstance(event, sheetbend.TrackReceived) and event.track.kind == "audio":
                    listeners.create_task(listen(event.track, speech))


async def listen(track: sheetbend.RemoteTrack, speech: asyncio.Queue[Sound]) -> None:
    heard, quiet_s = list[Sound](), 0.0
    async for frame in track:
        sound = frame.to_ndarray()[0, :: frame.layout.nb_channels]
        quiet_s = 0.0 if np.abs(sound).max() > LOUD else quiet_s + len(sound) / frame.sample_rate
        if quiet_s < SILENCE_S and (heard or not quiet_s):
            heard.append(sound)
        elif heard:
            await speech.put(await answer(np.concatenate(heard)))
            heard = []


async def spoken(speech: asyncio.Queue[Sound]) -> AsyncIterator[Sound]:
    while True:
        sound = np.zeros(FRAME, np.int16) if speech.empty() else speech.get_nowait()
        for at in range(0, len(sound), FRAME):
            yield sound[at : at + FRAME]


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
