/// The kinds of records (MCAP specification, "Records").
enum MCAPOpcode {
    static let header: UInt8 = 0x01
    static let footer: UInt8 = 0x02
    static let schema: UInt8 = 0x03
    static let channel: UInt8 = 0x04
    static let message: UInt8 = 0x05
    static let chunk: UInt8 = 0x06
    static let messageIndex: UInt8 = 0x07
    static let chunkIndex: UInt8 = 0x08
    static let statistics: UInt8 = 0x0B
    static let summaryOffset: UInt8 = 0x0E
    static let dataEnd: UInt8 = 0x0F
}

enum MCAPMagic {
    static let bytes: [UInt8] = [0x89, 0x4D, 0x43, 0x41, 0x50, 0x30, 0x0D, 0x0A]
}

/// How the messages of a channel are to be understood.
public struct MCAPSchema: Sendable, Hashable {
    /// From 1.
    public var id: UInt16
    public var name: String
    /// `jsonschema`, `protobuf`, …
    public var encoding: String
    public var data: [UInt8]

    public init(id: UInt16, name: String, encoding: String, data: [UInt8]) {
        (self.id, self.name, self.encoding, self.data) = (id, name, encoding, data)
    }
}

/// A stream of messages.
public struct MCAPChannel: Sendable, Hashable {
    public var id: UInt16
    /// 0: none.
    public var schema: UInt16
    public var topic: String
    /// `json`, `protobuf`, …
    public var encoding: String

    public init(id: UInt16, schema: UInt16, topic: String, encoding: String) {
        (self.id, self.schema, self.topic, self.encoding) = (id, schema, topic, encoding)
    }
}

public struct MCAPMessage: Sendable, Hashable {
    public var channel: UInt16
    /// Rises by one a message of the channel.
    public var sequence: UInt32
    /// Unix nanoseconds: when it was recorded, when it was made.
    public var logTime: UInt64
    public var publishTime: UInt64
    public var data: [UInt8]

    public init(channel: UInt16, sequence: UInt32, logTime: UInt64, publishTime: UInt64, data: [UInt8]) {
        (self.channel, self.sequence, self.logTime, self.publishTime, self.data) = (channel, sequence, logTime, publishTime, data)
    }
}

/// What a reader finds, in the order of the file. What only helps to find places in it is left out.
public enum MCAPRecord: Sendable, Hashable {
    case header(profile: String, library: String)
    case schema(MCAPSchema)
    case channel(MCAPChannel)
    case message(MCAPMessage)
    /// All messages have come; a summary may follow.
    case dataEnd
    /// The file was ended properly.
    case footer
    /// A piece of the file that could not be read; reading goes on behind it. `offset`: of the piece in the file.
    case damaged(MCAPError, offset: UInt64)
}
