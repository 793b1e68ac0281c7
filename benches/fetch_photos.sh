#!/usr/bin/env bash
# Fetches the photographs for `cargo bench --bench jpeg`: the JPEGs of Debian's wallpaper packages, as they are. Nothing is installed.
#   benches/fetch_photos.sh FOLDER
set -euo pipefail
folder=${1:?usage: benches/fetch_photos.sh FOLDER}
mkdir -p "$folder/packages"
cd "$folder/packages"
apt-get download plasma-workspace-wallpapers mate-backgrounds lomiri-wallpapers-16.04 lomiri-wallpapers-20.04
for package in *.deb; do
  dpkg-deb -x "$package" "${package%%_*}"
done
number=0
find . -type f \( -iname '*.jpg' -o -iname '*.jpeg' \) -print0 | sort -z | while IFS= read -r -d '' picture; do
  number=$((number + 1))
  cp "$picture" "$folder/$(printf 'photo-%03d.jpg' "$number")"
done
rm -rf "$folder/packages"
