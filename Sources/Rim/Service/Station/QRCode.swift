internal import CQRencode

/// A QR code (ISO/IEC 18004) for a terminal: two rows of modules a line of text, light on dark and dark on light alike, as the quiet zone
/// is drawn, too.
public enum QRCode {
    /// Nil: the text is too long for one.
    public static func text(_ text: String) -> String? {
        guard let code = unsafe QRcode_encodeString(text, 0, QR_ECLEVEL_L, QR_MODE_8, 1) else { return nil }
        defer { unsafe QRcode_free(code) }
        let width = Int(unsafe code.pointee.width)
        let modules = unsafe UnsafeBufferPointer(start: code.pointee.data, count: width * width)
        func isLight(_ x: Int, _ y: Int) -> Bool {
            guard (0..<width).contains(x), (0..<width).contains(y) else { return true }
            return unsafe modules[y * width + x] & 1 == 0
        }
        var lines: [String] = []
        for y in stride(from: -2, to: width + 2, by: 2) {
            // Black letters on white, whatever the terminal's colours are.
            var line = "\u{1B}[30;107m"
            for x in -2..<(width + 2) {
                switch (isLight(x, y), isLight(x, y + 1)) {
                case (true, true): line += " "
                case (false, true): line += "▀"
                case (true, false): line += "▄"
                case (false, false): line += "█"
                }
            }
            lines.append(line + "\u{1B}[0m")
        }
        return lines.joined(separator: "\n")
    }
}
