@@{python} - <<'PYTHON'
import pathlib
import grpc
from google.api import httpbody_pb2
from tonearm.auth.v1 import auth_pb2, auth_pb2_grpc
from tonearm.gateway.v1 import audio_pb2, audio_pb2_grpc, conversion_pb2, conversion_pb2_grpc, upload_pb2, upload_pb2_grpc

channel = grpc.insecure_channel("@@{address}")
login = auth_pb2.LoginRequest(email="@@{email}", password="@@{password}")
token = auth_pb2_grpc.AuthServiceStub(channel).Login(login).access_token
metadata = [("authorization", f"Bearer {token}")]
video = pathlib.Path(@@{video_literal})

def pieces():
    yield upload_pb2.UploadVideoRequest(filename=video.name, size_bytes=video.stat().st_size)
    with video.open("rb") as file:
        while piece := file.read(256 * 1024):
            yield upload_pb2.UploadVideoRequest(video=httpbody_pb2.HttpBody(data=piece))

conversion = upload_pb2_grpc.UploadServiceStub(channel).UploadVideo(pieces(), metadata=metadata).conversion
watch = conversion_pb2.WatchConversionRequest(conversion_id=conversion.id)
for seen in conversion_pb2_grpc.ConversionServiceStub(channel).WatchConversion(watch, metadata=metadata):
    print(conversion_pb2.Conversion.State.Name(seen.conversion.state), f"{seen.conversion.progress:.0%}")
download = audio_pb2.DownloadAudioRequest(conversion_id=conversion.id)
with open("tonearm.mp3", "wb") as file:
    for piece in audio_pb2_grpc.AudioServiceStub(channel).DownloadAudio(download, metadata=metadata):
        file.write(piece.audio.data)
print(file.name, pathlib.Path(file.name).stat().st_size, "bytes")
PYTHON
