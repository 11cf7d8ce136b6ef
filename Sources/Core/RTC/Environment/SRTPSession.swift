import Wire

public enum SRTPError: Error, Sendable, Hashable {
    /// Not even a header and a tag.
    case tooShort
    /// The tag does not fit the packet: forged, damaged, or of another session.
    case authentication
    /// Seen before, or older than the replay window (RFC 3711 clause 3.3.2).
    case replayed
    /// More streams than the session may hold.
    case tooManyStreams
}

/// SRTP and SRTCP of one association, both directions (RFC 3711, RFC 7714).
public protocol SRTPSession: AnyObject {
    /// Bytes that `protectRTP` adds: 16 or 10.
    var rtpOverhead: Int { get }
    /// Bytes that `protectRTCP` adds: 20 or 14.
    var rtcpOverhead: Int { get }
    /// Encrypts in place the RTP packet that is `buffer[start...]` and appends its tag. The packet is this side's own and well-formed;
    /// a retransmission of the same bytes gives the same result.
    func protectRTP(_ buffer: inout [UInt8], from start: Int)
    func protectRTCP(_ buffer: inout [UInt8], from start: Int)
    /// Appends the decrypted packet to `plain`; appends nothing when it throws.
    func unprotectRTP(_ packet: Span<UInt8>, into plain: inout [UInt8]) throws(SRTPError)
    func unprotectRTCP(_ packet: Span<UInt8>, into plain: inout [UInt8]) throws(SRTPError)
}
