import Wire

/// Payload protocol identifiers (RFC 8831 clause 8).
enum PayloadProtocol {
    static let control: UInt32 = 50
    static let text: UInt32 = 51
    static let binary: UInt32 = 53
    static let emptyText: UInt32 = 56
    static let emptyBinary: UInt32 = 57
}

public enum DCEPError: Error, Sendable, Hashable {
    case truncated
    case unknownMessage(UInt8)
    case unknownChannelType(UInt8)
}

/// Data Channel Establishment Protocol (RFC 8832 clause 5).
public enum DCEPMessage: Sendable, Hashable {
    case open(label: String, protocolName: String, isOrdered: Bool, reliability: Reliability, priority: UInt16)
    case acknowledge

    public init(_ bytes: Span<UInt8>) throws(DCEPError) {
        var reader = ByteReader(bytes)
        guard let type = reader.u8() else { throw .truncated }
        switch type {
        case 2: self = .acknowledge
        case 3:
            guard let channel = reader.u8(), let priority = reader.u16(), let parameter = reader.u32(),
                let labelLength = reader.u16(), let protocolLength = reader.u16(),
                let label = reader.array(Int(labelLength)), let protocolName = reader.array(Int(protocolLength))
            else { throw .truncated }
            let reliability: Reliability
            switch channel & 0x7F {
            case 0: reliability = .reliable
            case 1: reliability = .maxRetransmits(UInt16(clamping: parameter))
            case 2: reliability = .maxLifetime(milliseconds: UInt16(clamping: parameter))
            default: throw .unknownChannelType(channel)
            }
            self = .open(
                label: String(decoding: label, as: UTF8.self), protocolName: String(decoding: protocolName, as: UTF8.self),
                isOrdered: channel & 0x80 == 0, reliability: reliability, priority: priority)
        default: throw .unknownMessage(type)
        }
    }

    public var bytes: [UInt8] {
        guard case .open(let label, let protocolName, let isOrdered, let reliability, let priority) = self else { return [2] }
        var writer = ByteWriter()
        let (type, parameter): (UInt8, UInt32) =
            switch reliability {
            case .reliable: (0, 0)
            case .maxRetransmits(let count): (1, UInt32(count))
            case .maxLifetime(let milliseconds): (2, UInt32(milliseconds))
            }
        let labelBytes = Array(label.utf8.prefix(65_535)), protocolBytes = Array(protocolName.utf8.prefix(65_535))
        writer.u8(3)
        writer.u8(type | (isOrdered ? 0 : 0x80))
        writer.u16(priority)
        writer.u32(parameter)
        writer.u16(UInt16(labelBytes.count))
        writer.u16(UInt16(protocolBytes.count))
        writer.append(labelBytes)
        writer.append(protocolBytes)
        return writer.bytes
    }
}
