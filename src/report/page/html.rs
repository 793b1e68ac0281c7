//! Writes HTML, and escapes evidence text so that it can never be markup.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter, Write as _};
use std::io::{self, Write};

use crate::source::name::is_hidden;

/// A text as HTML: markup characters become references.
///
/// Texts of a case are escaped already (`docs/names.md`). Anything else, such as a direction mark that
/// another program wrote into the database, is made visible here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Escaped<'a>(pub &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => formatter.write_str("&amp;"),
                '<' => formatter.write_str("&lt;"),
                '>' => formatter.write_str("&gt;"),
                '"' => formatter.write_str("&quot;"),
                '\'' => formatter.write_str("&#39;"),
                _ if must_be_shown(character) => write_visibly(formatter, character),
                _ => formatter.write_char(character),
            }?;
        }
        Ok(())
    }
}

/// A text that is read from left to right in every language: paths, digests, numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ltr<'a>(pub &'a str);

impl Display for Ltr<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "<bdi dir=\"ltr\">{}</bdi>", Escaped(self.0))
    }
}

/// A text of a case as it is shown, without escaping markup: for data that a script sets as text.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    if !text.chars().any(must_be_shown) {
        return Cow::Borrowed(text);
    }
    let mut visible = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if must_be_shown(character) {
            // Writing to a string cannot fail.
            let _ = write_visibly(&mut visible, character);
        } else {
            visible.push(character);
        }
    }
    Cow::Owned(visible)
}

fn must_be_shown(character: char) -> bool {
    character.is_control() || is_hidden(character)
}

fn write_visibly(out: &mut impl fmt::Write, character: char) -> fmt::Result {
    write!(out, "\\u{{{:x}}}", u32::from(character))
}

/// A sink for JSON inside a script element: `<` is written as an escape, so that nothing can end the element. In
/// JSON that character only occurs in texts.
pub(super) struct InScript<'a>(pub &'a mut dyn Write);

impl Write for InScript<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut pieces = bytes.split(|byte| *byte == b'<');
        self.0.write_all(pieces.next().unwrap_or_default())?;
        for piece in pieces {
            self.0.write_all(b"\\u003c")?;
            self.0.write_all(piece)?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Bytes as base64 (RFC 4648), with padding.
pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for triple in bytes.chunks(3) {
        let byte = |index: usize| u32::from(triple.get(index).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            if digit <= triple.len() {
                text.push(char::from(DIGITS[(word >> (18 - 6 * digit) & 63) as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_is_markup() {
        let hostile = "</script><img src=x onerror='a'> & \"b\" \u{202e}\n\u{0}";
        let expected =
            "&lt;/script&gt;&lt;img src=x onerror=&#39;a&#39;&gt; &amp; &quot;b&quot; \\u{202e}\\u{a}\\u{0}";
        assert_eq!(Escaped(hostile).to_string(), expected);
        assert_eq!(Ltr("a<b").to_string(), "<bdi dir=\"ltr\">a&lt;b</bdi>");
        assert_eq!(shown("été\u{200f}"), "été\\u{200f}");
        assert_eq!(shown("写真.jpg"), "写真.jpg");
    }

    #[test]
    fn nothing_in_json_ends_a_script() {
        let mut written = Vec::new();
        serde_json::to_writer(InScript(&mut written), "</script><!--<").unwrap();
        assert_eq!(written, br#""\u003c/script>\u003c!--\u003c""#);
        assert_eq!(serde_json::from_slice::<String>(&written).unwrap(), "</script><!--<");
    }

    /// The vectors of RFC 4648.
    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xff, 0xef, 0xbe]), "/+++");
    }
}
