import Recording
import Wire

extension FuzzTarget {
    /// What is found does not depend on where the file is cut.
    static func mcap(_ bytes: Span<UInt8>) {
        let whole = records(of: bytes, cut: bytes.count)
        let cut = bytes.count > 0 ? Int(bytes[bytes.count - 1]) % bytes.count : 0
        precondition(whole == records(of: bytes, cut: cut), "another reading when cut at \(cut)")
    }

    private static func records(of bytes: Span<UInt8>, cut: Int) -> [MCAPRecord] {
        var reader = MCAPReader(limit: 1 << 16), summary = ReplaySummary()
        var records: [MCAPRecord] = []
        for range in [0..<cut, cut..<bytes.count] {
            reader.feed(bytes.extracting(range))
            while let record = try? reader.next() {
                if case .message(let message) = record, let channel = reader.channels[message.channel] { summary.add(message, on: channel) }
                records.append(record)
            }
        }
        _ = summary.text
        _ = summary.json.description
        return records
    }

    static func compressedVideo(_ bytes: Span<UInt8>) {
        guard let video = CompressedVideo(bytes) else { return }
        _ = video.isKeyFrame
        precondition(CompressedVideo(video.encoded.span) == video, "another message when written again")
    }
}
