import HTTP

/// A body that goes out piece by piece, as its reader takes it: a file, or bytes that are more than a connection keeps for a reader.
struct LongBody {
    private enum Source {
        case file(FileBody)
        case bytes([UInt8])
    }

    let status: HTTPStatus
    /// Of the source, what is sent.
    let range: Range<Int>
    private let source: Source

    /// Bytes that go out at once when there are no more than these.
    static let shortest = 1 << 20

    /// Nil for what goes out at once.
    init?(_ response: HTTPResponse) {
        status = response.status
        switch response.body {
        case .file(let file): (source, range) = (.file(file), file.range)
        case .bytes(let bytes) where bytes.count > Self.shortest: (source, range) = (.bytes(bytes), bytes.indices)
        default: return nil
        }
    }

    /// At most `count` bytes from `offset` on; empty when they cannot be read.
    func read(at offset: Int, count: Int) -> [UInt8] {
        switch source {
        case .file(let file): file.read(at: offset, count: count)
        case .bytes(let bytes): Array(bytes[offset..<(offset + count)])
        }
    }
}
