URL=@@{url}
TOKEN=$(curl -fsS -X POST -u @@{email}:@@{password} "$URL/v1/login" | sed -E 's/.*"access_token": ?"([^"]+)".*/\1/')
ID=$(curl -fsS -X POST -T @@{video} -H "Authorization: Bearer $TOKEN" "$URL/v1/conversions?filename=ode-to-joy.mp4" | sed -E 's/.*"conversion": ?\{"id": ?"([^"]+)".*/\1/')
curl -fsSN -H "Authorization: Bearer $TOKEN" "$URL/v1/conversions/$ID:watch"
curl -fsS -H "Authorization: Bearer $TOKEN" -o tonearm.mp3 "$URL/v1/conversions/$ID/audio" && ls -l tonearm.mp3
