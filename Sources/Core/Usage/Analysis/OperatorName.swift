/// An operator's name as it is published (section 8.2): at most 64 characters, without control characters and space around it.
public enum OperatorName {
    public static let longest = 64
    /// Scalars, as a character may be built of many, and bytes of UTF-8: what `cleaned` leaves is never longer.
    private static let mostScalars = 4 * longest
    public static let mostBytes = 4 * mostScalars

    /// nil: nothing is left of it.
    public static func cleaned(_ text: String) -> String? {
        var scalars = String.UnicodeScalarView()
        for scalar in text.unicodeScalars where !isControl(scalar) {
            if scalars.isEmpty, scalar == " " { continue }
            scalars.append(scalar)
            if scalars.count == mostScalars { break }
        }
        while scalars.last == " " { scalars.removeLast() }
        let name = String(String(scalars).prefix(longest))
        return name.isEmpty ? nil : name
    }

    /// What would change how a line is read: C0, C1, and what turns the direction of writing.
    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7F..<0xA0, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069: true
        default: false
        }
    }
}
