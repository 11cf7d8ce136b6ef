import Wire

/// A peer's own name for a channel; unlike the stream number it is known before the connection is.
public struct DataChannelID: Sendable, Hashable {
    public let rawValue: Int
    public init(_ rawValue: Int) { self.rawValue = rawValue }
}

public enum DataMessage: Sendable, Hashable {
    case text(String)
    case binary([UInt8])

    /// Length in bytes of what goes over the wire.
    public var count: Int {
        switch self {
        case .text(let text): text.utf8.count
        case .binary(let bytes): bytes.count
        }
    }
}

/// How a channel is asked for; the fields of `RTCDataChannelInit`.
public struct DataChannelOptions: Sendable, Hashable {
    public var label: String
    public var protocolName: String
    public var isOrdered: Bool
    public var reliability: Reliability
    /// Both sides agreed on this stream number, 0 to 255, elsewhere: no DCEP is spoken.
    public var negotiated: StreamID?

    public init(
        label: String, protocolName: String = "", isOrdered: Bool = true, reliability: Reliability = .reliable,
        negotiated: StreamID? = nil
    ) {
        self.label = label
        self.protocolName = protocolName
        self.isOrdered = isOrdered
        self.reliability = reliability
        self.negotiated = negotiated
    }
}

public enum DataChannelState: Sendable, Hashable { case connecting, open, closing, closed }

public enum DataChannelError: Error, Sendable, Hashable {
    case unknownChannel
    case notOpen(DataChannelState)
    /// Longer than the peer's `max-message-size`.
    case tooLarge(bytes: Int, limit: Int)
    /// The send buffer is full: wait until `bufferedAmount` falls.
    case bufferFull
    /// No stream number is free, or there are too many channels.
    case tooManyChannels
    /// The negotiated stream number is another channel's, or above the highest that there is.
    case streamUnavailable(StreamID, highest: StreamID)
}

public enum DataChannelEvent: Sendable {
    /// Ours is open, or the peer opened one.
    case opened(DataChannelID, DataChannelOptions)
    case message(DataChannelID, DataMessage)
    case closed(DataChannelID)
}

/// In the words of W3C webrtc-stats `RTCDataChannelStats`.
public struct DataChannelStatistics: Sendable, Hashable {
    public var label: String
    public var stream: StreamID?
    public var state: DataChannelState
    public var messagesSent = 0
    public var bytesSent = 0
    public var messagesReceived = 0
    public var bytesReceived = 0
}
