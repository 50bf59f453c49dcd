from dojang.driver.frames import Frame, FrameParser, encode_frame
from dojang_hdl.host import protocol
from dojang_sim.bridge_model import crc32, frame
from hypothesis import given, settings
from hypothesis import strategies as st

byte = st.integers(0, 255)
frames = st.builds(Frame, byte, byte, st.binary(max_size=protocol.MAX_PAYLOAD))


def in_pieces(data, cuts):
    cuts = sorted({min(cut, len(data)) for cut in cuts})
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def test_check_value_of_the_crc():
    assert crc32(b"123456789") == 0xCBF43926


@given(frames)
def test_bytes_are_those_of_the_reference_page(item):
    assert encode_frame(item) == frame(item.type, item.sequence, item.payload)


@given(st.lists(frames, max_size=4), st.lists(st.integers(0, 1100), max_size=6))
def test_frames_survive_any_cutting(items, cuts):
    parser = FrameParser()
    found = [item for piece in in_pieces(b"".join(map(encode_frame, items)), cuts) for item in parser.feed(piece)]
    assert found == items
    assert (parser.corrupt, parser.skipped) == (0, 0)


@given(st.binary(max_size=60), frames, st.lists(st.integers(0, 400), max_size=4))
@settings(max_examples=200)
def test_a_frame_is_found_behind_garbage(garbage, item, cuts):
    parser = FrameParser()
    # A false sync at the end of the garbage may claim a whole frame's length; what follows ends its wait.
    stream = garbage + encode_frame(item) + bytes(protocol.MAX_PAYLOAD + 16)
    found = [f for piece in in_pieces(stream, cuts) for f in parser.feed(piece)]
    assert found == [item]


@given(frames, st.data())
def test_no_single_damaged_byte_passes(item, data):
    stream = bytearray(encode_frame(item))
    at = data.draw(st.integers(0, len(stream) - 1))
    stream[at] ^= data.draw(st.integers(1, 255))
    assert FrameParser().feed(bytes(stream) + bytes(protocol.MAX_PAYLOAD + 16)) == []


def test_an_overlong_payload_is_refused():
    try:
        encode_frame(Frame(1, 1, bytes(249)))
    except ValueError as error:
        assert str(error) == "payload of 249 bytes, at most 248 fit a frame"
    else:
        raise AssertionError("accepted")
