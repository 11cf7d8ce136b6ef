/// Why bytes are not an MCAP file that we read.
public enum MCAPError: Error, Sendable, Hashable {
    case notMCAP
}
