"""Video files: the stream that a person would see, frame by frame."""

import logging
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import av
from av.codec.context import CodecContext
from av.container import InputContainer
from av.error import EOFError as EndOfFile
from av.error import FFmpegError, InvalidDataError
from av.filter import Graph
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from motion_inversion.data.cropping import Crop, stated_crop
from motion_inversion.data.location import ACCEPTED, located
from motion_inversion.data.moment import Moment
from motion_inversion.data.showing import Showing
from motion_inversion.error import InputError

log = logging.getLogger(__name__)

LARGEST = 1 << 26  # pixels of a frame, as of 8192x8192: more than any camera's, and no danger to memory

_STILLS = Disposition.attached_pic | Disposition.timed_thumbnails
_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # FFmpeg's own decoders of these leave transparency out


@dataclass(frozen=True)
class Film:
    """A video file as a source of pictures; every method raises InputError as `opened` does."""

    path: Path

    def moments(self) -> Generator[Moment, None, None]:
        """Its frames, as far as they can be decoded: the log says where reading ends early."""
        with opened(self.path) as (container, stream):
            crop = self._crop(container, stream)
            for frame in _progressive(self._sound(container, stream), stream):
                showing = Showing.of(frame, stream, self.path, crop)
                yield Moment(frame.time, partial(showing.picture, frame), showing.shown_aspect)

    def rate(self) -> float | None:
        """Frames per second as the file states them, on average."""
        with opened(self.path) as (_, stream):
            rate = stream.average_rate or stream.guessed_rate
            return float(rate) if rate else None

    def reading(self, fit: str) -> str:
        """As in `Source`, judged by the first frame."""
        with opened(self.path) as (container, stream):
            frame = next(self._sound(container, stream), None)
            if frame is None:
                return ""
            showing = Showing.of(frame, stream, self.path, self._crop(container, stream))
            said = [
                f"pixels of {showing.aspect}" if showing.aspect != 1 and fit == "crop" else "",
                showing.reading,
                "with alpha" if _alpha_decoder(stream) else "",
                "deinterlaced" if frame.interlaced_frame else "",
            ]
            return " ".join(filter(None, said))

    def _crop(self, container: InputContainer, stream: VideoStream) -> Crop:
        return stated_crop(
            located(self.path),
            container.format.name,
            stream.id,
            _films(container).index(stream),
            (stream.width, stream.height),
        )

    def _sound(self, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
        """The frames before the first one that is damaged."""
        count = 0
        try:
            for frame in _decoded(container, stream):
                if frame.is_corrupt:
                    log.warning("%s: frame %d is damaged, reading stops before it", self.path, count)
                    return
                yield frame
                count += 1
        except FFmpegError as error:
            log.warning("%s breaks off after %d frames: %s", self.path, count, error.strerror)


@contextmanager
def opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The file's container and its main video stream.

    Raises:
        InputError: no such file, not a video, no moving pictures in it, or too large ones.
    """
    path = located(path)
    try:
        # An absolute path, since FFmpeg takes the "a" of a relative "a:b.mp4" for a protocol; free-form tags
        # need not be UTF-8.
        container = av.open(path.absolute(), metadata_errors="ignore")
    except (InvalidDataError, EndOfFile) as error:
        fault = "is an empty file" if path.stat().st_size == 0 else "is not a video, or is cut off"
        raise InputError(f"{path} {fault}; give {ACCEPTED} with dataset.path=…") from error
    except (FFmpegError, OSError) as error:
        raise InputError(f"can't open {path}: {error.strerror}; give {ACCEPTED} with dataset.path=…") from error
    with container:
        stream = _main_stream(path, container)
        if stream.width * stream.height > LARGEST:
            raise InputError(
                f"{path} has frames of {stream.width}x{stream.height}, more than {LARGEST:,} pixels; make them smaller "
                f"with ffmpeg -i {path} -vf scale=1280:-2 smaller.mp4 and set dataset.path=smaller.mp4"
            )
        if stream.codec_context.name == "png" and _has_profile(path, stream.index):
            raise InputError(
                f"{path} holds PNG pictures with a colour profile, which is heeded in a folder of images alone; take "
                f"them out with mkdir frames; ffmpeg -i {path} -c copy frames/%05d.png and set dataset.path=frames"
            )
        stream.codec_context.options = {"max_pixels": str(LARGEST)}
        yield container, stream


def _main_stream(path: Path, container: InputContainer) -> VideoStream:
    """The stream that players choose, which is never the picture of a cover."""
    films = _films(container)
    best = container.streams.best("video")
    stream = best if best in films else next(iter(films), None)
    # FFmpeg draws any .txt file as a terminal's screen.
    if not isinstance(stream, VideoStream) or container.format.name == "tty":
        kinds = "a cover" if container.streams.video and container.format.name != "tty" else "text"
        kinds = "audio" if container.streams.audio and kinds == "text" else kinds
        raise InputError(f"{path} has no pictures, only {kinds}; give {ACCEPTED} with dataset.path=…")
    if stream.codec_context is None:  # pyright: ignore[reportUnnecessaryComparison]
        raise InputError(
            f"{path} is encoded in a way that isn't read here; convert it with ffmpeg -i {path} converted.mp4 and set "
            "dataset.path=converted.mp4"
        )
    if len(films) > 1:
        size = f"{stream.width}x{stream.height}"
        log.warning(
            "%s holds %d videos; number %d of them is read, of %s pixels. For another: ffmpeg -i %s -map 0:v:1 -c copy "
            "other.mkv",
            *(path, len(films), films.index(stream), size, path),
        )
    return stream


def _has_profile(path: Path, index: int) -> bool:
    """PyAV ends the process when asked for what FFmpeg notes beside such a frame (its name is freed twice)."""
    with av.open(path.absolute(), metadata_errors="ignore") as container:
        return any(b"iCCP" in bytes(packet) for packet in container.demux(container.streams[index]))


def _films(container: InputContainer) -> list[VideoStream]:
    return [stream for stream in container.streams.video if not stream.disposition & _STILLS]


def _decoded(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    name = _alpha_decoder(stream)
    if name is None:
        yield from container.decode(stream)
        return
    decoder = CodecContext.create(name, "r")
    assert isinstance(decoder, VideoCodecContext)
    for packet in container.demux(stream):
        yield from decoder.decode(packet)


def _alpha_decoder(stream: VideoStream) -> str | None:
    marked = any(key.lower() == "alpha_mode" and value == "1" for key, value in stream.metadata.items())
    return _WITH_ALPHA.get(stream.codec_context.name) if marked else None


def _progressive(frames: Iterable[VideoFrame], stream: VideoStream) -> Iterator[VideoFrame]:
    """The frames, and where the first is of two fields, one picture for each as players show them."""
    graph: Graph | None = None
    for index, frame in enumerate(frames):
        if index == 0 and frame.interlaced_frame:
            graph = Graph()
            source = graph.add_buffer(template=stream, time_base=stream.time_base)
            filtered = graph.add("bwdif", "mode=send_frame:deint=interlaced")
            source.link_to(filtered)
            filtered.link_to(graph.add("buffersink"))
            graph.configure()
        if graph is None:
            yield frame
        else:
            graph.push(frame)
            yield from _pulled(graph)
    if graph is not None:
        graph.push(None)
        yield from _pulled(graph)


def _pulled(graph: Graph) -> Iterator[VideoFrame]:
    while True:
        try:
            frame = graph.pull()
        except (av.BlockingIOError, EndOfFile):
            return
        assert isinstance(frame, VideoFrame)
        yield frame
