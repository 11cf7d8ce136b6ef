/// CRC-32 as in ISO 3309 and ITU-T V.42 (reflected 0xEDB88320), which STUN's FINGERPRINT uses (RFC 8489 clause 14.7).
public enum CRC32 {
    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { crc, _ in crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
    }

    public static func checksum(_ bytes: Span<UInt8>) -> UInt32 {
        var crc = UInt32.max
        for i in 0..<bytes.count { crc = crc >> 8 ^ table[Int((crc ^ UInt32(bytes[i])) & 255)] }
        return ~crc
    }
}
