import Wire

/// Cuts a stream of bytes into lines of at most 16 KiB (spec teleop-monitor, section 15). Empty lines are left out.
public struct LineSplitter: Sendable {
    /// Without its end.
    public static let longestLine = 16_384

    private var pending: [UInt8] = []
    private var isSkipping = false

    public init() {}

    /// `onLine` gets each line without its end; nil: one that was too long, told once and then left out.
    public mutating func feed(_ bytes: Span<UInt8>, _ onLine: (borrowing Line) -> Void) {
        var start = 0
        for index in 0..<bytes.count where bytes[index] == 0x0A {
            endLine(bytes.extracting(start..<index), onLine)
            start = index + 1
        }
        keep(bytes.extracting(start..<bytes.count), onLine)
    }

    /// What came behind the last end of line, at the end of the stream.
    public mutating func finish(_ onLine: (borrowing Line) -> Void) {
        let nothing: [UInt8] = []
        endLine(nothing.span, onLine)
    }

    /// A line, or word of one that was too long.
    public enum Line: ~Escapable {
        case text(Span<UInt8>)
        case tooLong
    }

    private mutating func endLine(_ rest: Span<UInt8>, _ onLine: (borrowing Line) -> Void) {
        defer { isSkipping = false }
        if isSkipping { return }
        guard !pending.isEmpty else {
            if rest.count > Self.longestLine { return onLine(.tooLong) }
            if rest.count > 0 { onLine(.text(rest)) }
            return
        }
        guard pending.count + rest.count <= Self.longestLine else {
            pending.removeAll()
            return onLine(.tooLong)
        }
        pending.append(span: rest)
        onLine(.text(pending.span))
        pending.removeAll(keepingCapacity: true)
    }

    private mutating func keep(_ rest: Span<UInt8>, _ onLine: (borrowing Line) -> Void) {
        guard !isSkipping, rest.count > 0 else { return }
        guard pending.count + rest.count <= Self.longestLine else {
            pending.removeAll()
            isSkipping = true
            return onLine(.tooLong)
        }
        pending.append(span: rest)
    }
}
