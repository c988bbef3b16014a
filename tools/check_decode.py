"""Compares `mlx-vision decode` with Pillow's pixels over a folder of pictures.

    tools/check_decode.py PROGRAM FOLDER

FOLDER/expected.json: {"files": {name: entry}}. An entry holds format, mode, size (as stored), orientation, rgb_size,
rgb_sha256 (of ImageOps.exif_transpose(image).convert("RGB")), letterbox336_sha256 (LANCZOS, centred on black) and
bicubic_336x64_sha256, or an error; in_scope false marks a container that must be refused. Python's standard library is all it
needs. Prints every difference and fails when there is one.
"""
import json
import subprocess
import sys
from pathlib import Path

TARGETS = {"rgb_sha256": [], "letterbox336_sha256": ["--letterbox", "336x336"],
           "bicubic_336x64_sha256": ["--size", "336x64", "--filter", "bicubic"]}
FIELDS = {"format": "format", "mode": "mode", "size": "stored_size", "orientation": "orientation"}


def decode(program, folder, names, flags):
    done = subprocess.run([program, "decode", "--json", *flags, *(str(folder / name) for name in names)], capture_output=True, text=True)
    objects = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode not in (0, 2) or len(objects) != len(names):
        sys.exit(f"exit code {done.returncode}, {len(objects)} answers for {len(names)} files\n{done.stderr}")
    if (done.returncode == 2) != any("error" in found for found in objects):
        sys.exit(f"exit code {done.returncode} does not fit the answers")
    return dict(zip(names, objects))


def differences(expected, found, key):
    refused = "error" in expected or not expected.get("in_scope", True)
    if refused != ("error" in found):
        yield f"expected {'an error' if refused else 'a picture'}, got {found}"
    elif refused:
        if found["error"]["type"] != "MediaError":
            yield f"expected a MediaError, got {found}"
    else:
        if found["sha256"] != expected[key]:
            yield f"{key} differs"
        for theirs, ours in FIELDS.items():
            if expected[theirs] != found[ours]:
                yield f"{theirs}: expected {expected[theirs]}, got {found[ours]}"
        if key == "rgb_sha256" and expected["rgb_size"] != found["size"]:
            yield f"rgb_size: expected {expected['rgb_size']}, got {found['size']}"


def main():
    program, folder = sys.argv[1], Path(sys.argv[2])
    files = json.loads((folder / "expected.json").read_text())["files"]
    faults = 0
    for key, flags in TARGETS.items():
        found = decode(program, folder, list(files), flags)
        for name, entry in files.items():
            for text in differences(entry, found[name], key):
                print(f"{name}: {text}")
                faults += 1
            if key == "rgb_sha256" and "error" in found[name]:
                print(f"refused: {found[name]['error']['message']}")
    print(f"{len(files)} files, {faults} differences")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
