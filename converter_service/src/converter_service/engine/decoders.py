"""The decoders that are used at all; names that an ffmpeg was built without do no harm."""

from __future__ import annotations

# Audio only: pictures are never decoded, and their decoders have had the most holes. Of audio,
# what people's files hold; not the formats of games, telephones and voice mail of the nineties.
DECODERS = (
    *("aac", "aac_fixed", "aac_latm", "alac", "als", "mp1", "mp1float", "mp2", "mp2float"),
    *("mp3", "mp3float", "mp3adu", "mp3adufloat", "mp3on4", "mp3on4float"),
    *("ac3", "ac3_fixed", "eac3", "dca", "truehd", "mlp", "dvaudio", "s302m"),
    *("opus", "libopus", "vorbis", "libvorbis", "speex", "libspeex", "flac", "tta", "wavpack"),
    *("ape", "wmav1", "wmav2", "wmapro", "wmalossless", "wmavoice", "cook", "sipr", "ralf"),
    *("real_144", "real_288", "atrac1", "atrac3", "atrac3al", "atrac3plus", "atrac3plusal"),
    *("amrnb", "libopencore_amrnb", "amrwb", "libopencore_amrwb", "gsm", "gsm_ms", "qcelp"),
    *("qdm2", "qdmc", "mace3", "mace6", "nellymoser", "g722", "g726", "truespeech"),
    *("adpcm_ima_qt", "adpcm_ima_wav", "adpcm_ms", "adpcm_swf", "adpcm_yamaha"),
    *("pcm_alaw", "pcm_mulaw", "pcm_s8", "pcm_u8", "pcm_s8_planar", "pcm_bluray", "pcm_dvd"),
    *("pcm_s16be", "pcm_s16be_planar", "pcm_s16le", "pcm_s16le_planar", "pcm_u16be", "pcm_u16le"),
    *("pcm_s24be", "pcm_s24le", "pcm_s24le_planar", "pcm_u24be", "pcm_u24le", "pcm_s24daud"),
    *("pcm_s32be", "pcm_s32le", "pcm_s32le_planar", "pcm_u32be", "pcm_u32le", "pcm_s64be"),
    *("pcm_s64le", "pcm_f16le", "pcm_f24le", "pcm_f32be", "pcm_f32le", "pcm_f64be", "pcm_f64le"),
)
