"""Recordings, judged by the `mcap` package: what it reads must be what was recorded, of whole files and of those that were cut off."""

import io
import json
import os
import signal
import struct
import subprocess
import time

import av
import pytest
from mcap.exceptions import EndOfFile
from mcap.reader import NonSeekingReader, SeekingReader
from mcap.records import ChunkIndex, Message
from mcap.stream_reader import StreamReader
from mcap_protobuf.decoder import DecoderFactory

from conftest import run_async, wait_until
from whep_client import Viewer, until

TOPICS = {"/telemetry", "/command", "/event", "/video/front"}


def record(binary, path, *options, timeout=60):
    """Runs `waldo bench record` to its end."""
    return subprocess.run([binary, "bench", "record", str(path), *options], capture_output=True, text=True, timeout=timeout)


def replay(binary, *paths):
    answer = subprocess.run([binary, "replay", *map(str, paths), "--json"], capture_output=True, text=True, timeout=60)
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


@pytest.fixture(scope="module")
def drive(binary, tmp_path_factory):
    """Four seconds, ended properly."""
    path = tmp_path_factory.mktemp("recording") / "drive.mcap"
    answer = record(binary, path, "--seconds", "4")
    assert answer.returncode == 0, answer.stderr
    return path


def test_summary_indexes_and_checksums_are_right(drive):
    with open(drive, "rb") as file:
        summary = SeekingReader(file, validate_crcs=True).get_summary()
    assert {channel.topic for channel in summary.channels.values()} == TOPICS
    assert {schema.encoding for schema in summary.schemas.values()} == {"jsonschema", "protobuf"}
    statistics = summary.statistics
    assert statistics.message_count == sum(statistics.channel_message_counts.values())
    assert statistics.chunk_count == len(summary.chunk_indexes) >= 3
    assert statistics.channel_count == 4 and statistics.schema_count == 4
    assert statistics.message_start_time < statistics.message_end_time
    for schema in summary.schemas.values():
        if schema.encoding == "jsonschema":
            assert json.loads(schema.data)["type"] == "object", schema.name


def test_messages_found_by_index_are_those_in_the_stream(drive):
    streamed, chunks, indexed = [], [], []
    with open(drive, "rb") as file:
        for item in StreamReader(file, validate_crcs=True).records:
            if isinstance(item, Message):
                streamed.append((item.channel_id, item.sequence, item.log_time, item.data))
            elif isinstance(item, ChunkIndex):
                chunks.append(item)
    with open(drive, "rb") as file:
        for _, channel, message in SeekingReader(file, validate_crcs=True).iter_messages():
            indexed.append((channel.id, message.sequence, message.log_time, message.data))
    assert sorted(streamed) == sorted(indexed)
    times = [entry[2] for entry in indexed]
    assert times == sorted(times)
    # A look at one second of one topic goes through the message indexes.
    middle = (times[0] + times[-1]) // 2
    with open(drive, "rb") as file:
        some = [
            message.log_time
            for _, _, message in SeekingReader(file).iter_messages(["/telemetry"], starting_at=middle, ending_before=middle + 1_000_000_000)
        ]
    assert 10 <= len(some) <= 25 and all(middle <= moment < middle + 1_000_000_000 for moment in some)
    assert chunks


def test_video_is_foxglove_compressed_video_and_decodes(drive):
    frames, moments, codec = 0, [], av.CodecContext.create("h264", "r")
    with open(drive, "rb") as file:
        reader = SeekingReader(file, decoder_factories=[DecoderFactory()])
        for schema, _, message, video in reader.iter_decoded_messages(["/video/front"]):
            assert schema.name == "foxglove.CompressedVideo"
            assert video.format == "h264" and video.frame_id == "front"
            assert video.timestamp.seconds * 1_000_000_000 + video.timestamp.nanos == message.publish_time
            assert abs(time.time() - video.timestamp.seconds) < 3600
            if frames == 0:
                # Parameter sets come with the key frame.
                assert video.data[:4] == b"\0\0\0\1" and video.data[4] & 31 == 7
            pictures = codec.decode(av.Packet(video.data))
            assert all((picture.width, picture.height) == (640, 480) for picture in pictures)
            frames += 1
            moments.append(message.publish_time)
    assert frames >= 60
    steps = sorted(later - earlier for earlier, later in zip(moments, moments[1:]))
    assert 20e6 < steps[len(steps) // 2] < 60e6, "a picture in some 33 ms"


def test_json_messages_are_json(drive):
    count = {topic: 0 for topic in TOPICS}
    with open(drive, "rb") as file:
        for _, channel, message in SeekingReader(file).iter_messages():
            count[channel.topic] += 1
            if channel.message_encoding == "json":
                assert "type" in json.loads(message.data)
    assert count["/telemetry"] == count["/command"] >= 60 and count["/event"] == 1, count


def test_replay_says_what_was_recorded(binary, drive):
    summary = replay(binary, drive)
    assert 2.5 < summary["duration_s"] < 5
    # A circle at half a metre a second, begun up to a second after the first picture.
    assert 0 <= 0.5 * summary["duration_s"] - summary["distance_m"] < 0.5
    assert summary["stops"] == {"silence": 1}
    commands = summary["commands"]
    assert commands["accepted"] >= 58 and set(commands["refused"]) == {"view"}
    assert 50 <= summary["delay_ms"]["view_age"]["p50"] <= summary["delay_ms"]["view_age"]["max"] <= 59
    assert summary["video"]["/video/front"]["frames"] >= 60
    assert summary["damaged"] == 0 and summary["malformed"] == 0
    assert summary["files"][0]["complete"] and summary["files"][0]["bytes"] == os.path.getsize(drive)
    text = subprocess.run([binary, "replay", drive], capture_output=True, text=True, timeout=60).stdout
    assert "silence 1" in text and "frames of h264" in text


def test_a_killed_recorder_leaves_a_file_up_to_the_last_second(binary, tmp_path):
    path = tmp_path / "killed.mcap"
    process = subprocess.Popen([binary, "bench", "record", str(path), "--seconds", "60"], stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: path.exists() and path.stat().st_size > 400_000, "a recording that has begun")
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.wait(10)
    data = path.read_bytes()
    for end in (len(data), len(data) - 1, len(data) * 2 // 3):
        path.write_bytes(data[:end])
        theirs = 0
        try:
            for _ in NonSeekingReader(io.BytesIO(data[:end]), validate_crcs=True).iter_messages(log_time_order=False):
                theirs += 1
        except (EndOfFile, struct.error):  # where it was cut off
            pass
        ours = replay(binary, path)
        assert ours["messages"] == theirs > 20
        assert ours["files"][0]["complete"] is False and ours["damaged"] == 0
    text = subprocess.run([binary, "replay", path], capture_output=True, text=True, timeout=60).stdout
    assert "cut off" in text


def test_the_limit_is_kept_and_each_part_stands_alone(binary, tmp_path):
    path = tmp_path / "long.mcap"
    answer = record(binary, path, "--seconds", "6", "--limit", "4", "--bitrate", "12000", "--size", "1280x720")
    assert answer.returncode == 0, answer.stderr
    parts = sorted(tmp_path.glob("long*.mcap"), key=lambda part: part.stat().st_mtime_ns)
    assert not path.exists() and 2 <= len(parts) <= 6, parts
    assert sum(part.stat().st_size for part in parts) <= 4 << 20
    for part in parts:
        with open(part, "rb") as file:
            summary = SeekingReader(file, validate_crcs=True).get_summary()
        assert summary.statistics.message_count > 0
    assert all(file["complete"] for file in replay(binary, *parts)["files"])


@pytest.mark.parametrize("size", [2, 3])
def test_a_full_disk_ends_the_recording_with_a_clear_word(binary, tmp_path, size):
    """In a mount namespace of its own, on a file system of two or three megabytes."""
    script = f"""mount -t tmpfs -o size={size}m none {tmp_path} && cd {tmp_path} || exit 99
        {binary} bench record full.mcap --seconds 30 --bitrate 12000 --size 1280x720; echo status $?; {binary} replay full.mcap --json"""
    answer = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=60)
    assert answer.returncode == 0, answer.stderr
    assert "the disk is full" in answer.stderr and "status 1" in answer.stdout
    summary = json.loads(answer.stdout.splitlines()[-1])
    assert summary["messages"] > 10 and summary["damaged"] == 0


@pytest.mark.parametrize("name", ["empty", "text", "magic", "noise"])
def test_what_is_no_recording_is_said_plainly(binary, drive, tmp_path, name):
    contents = {"empty": b"", "text": b"hello, this is no recording\n", "magic": drive.read_bytes()[:8], "noise": os.urandom(100_000)}
    path = tmp_path / name
    path.write_bytes(contents[name])
    answer = subprocess.run([binary, "replay", str(path)], capture_output=True, text=True, timeout=60)
    if name == "magic":
        assert answer.returncode == 0 and "cut off" in answer.stdout
    else:
        assert answer.returncode == 1 and "is no recording: expected an MCAP file" in answer.stderr, answer.stderr


def test_a_damaged_recording_is_read_around_the_damage(binary, drive, tmp_path):
    data = bytearray(drive.read_bytes())
    with open(drive, "rb") as file:
        chunks = SeekingReader(file).get_summary().chunk_indexes
    # Between chunks lie indexes, which have no checksum.
    chunk = chunks[len(chunks) // 2]
    data[chunk.chunk_start_offset + chunk.chunk_length // 2] ^= 0x40
    path = tmp_path / "damaged.mcap"
    path.write_bytes(data)
    summary = replay(binary, path)
    assert summary["damaged"] == 1 and "checksum" in summary["first_damage"]
    assert 0 < summary["messages"] < replay(binary, drive)["messages"]


def test_a_recording_is_never_overwritten(binary, drive):
    before = drive.read_bytes()
    answer = record(binary, drive, "--seconds", "1")
    assert answer.returncode == 2 and "not overwritten" in answer.stderr
    assert drive.read_bytes() == before


@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_a_recording_is_played_back_to_a_viewer_who_comes_late(source, drive, codec):
    server = source(words=("replay", str(drive), "--serve"))

    async def scenario():
        first, late = (Viewer(video="recvonly", codec=codec, path="/whep/recording") for _ in range(2))
        try:
            await first.connect(server)
            await until(lambda: first.frames and len(first.frames.sizes) >= 20, "20 frames decoded", 20)
            await late.connect(server)
            await until(lambda: late.frames and len(late.frames.sizes) >= 20, "20 frames decoded by who came late", 20)
            # Smaller where the path is thought to carry little, in the same shape.
            assert all(abs(width / height - 4 / 3) < 0.02 for width, height in late.frames.sizes), set(late.frames.sizes)
        finally:
            await first.close()
            await late.close()

    run_async(scenario())
