import Wire

/// `profile-level-id` (RFC 6184 clause 8.1): six hexadecimal digits that name a profile, its constraints and a level.
public struct H264ProfileLevel: Sendable, Hashable {
    /// RFC 6184 table 5: different bytes may name one profile.
    public enum Profile: Sendable, Hashable {
        case constrainedBaseline, baseline, main, extended, constrainedHigh, high, other(UInt8)
    }

    public let profileByte: UInt8
    public let constraints: UInt8
    /// level_idc: ten times the level.
    public let level: UInt8

    public init(profileByte: UInt8, constraints: UInt8, level: UInt8) {
        self.profileByte = profileByte
        self.constraints = constraints
        self.level = level
    }

    /// Nil unless `text` is six hexadecimal digits.
    public init?(_ text: String) {
        guard text.utf8.count == 6, let bytes = Hex.decode(text), bytes.count == 3 else { return nil }
        self.init(profileByte: bytes[0], constraints: bytes[1], level: bytes[2])
    }

    /// What a missing parameter means: baseline at level 1 (RFC 6184 clause 8.1).
    public static let absent = H264ProfileLevel(profileByte: 0x42, constraints: 0x00, level: 0x0A)
    /// What our encoder makes: constrained baseline, level 3.1 (1280 × 720 at 30 a second).
    public static let constrainedBaseline31 = H264ProfileLevel(profileByte: 0x42, constraints: 0xE0, level: 0x1F)

    public var text: String { Hex.encode([profileByte, constraints, level]) }

    public var profile: Profile {
        switch (profileByte, constraints) {
        case (0x42, let c) where c & 0x4F == 0x40, (0x4D, let c) where c & 0x8F == 0x80, (0x58, let c) where c & 0xCF == 0xC0:
            .constrainedBaseline
        case (0x42, let c) where c & 0x4F == 0, (0x58, let c) where c & 0xCF == 0x80: .baseline
        case (0x4D, let c) where c & 0xAF == 0: .main
        case (0x58, let c) where c & 0xCF == 0: .extended
        case (0x64, 0x00): .high
        case (0x64, 0x0C): .constrainedHigh
        default: .other(profileByte)
        }
    }

    /// For comparison: level 1b lies between 1 and 1.1; baseline and main write it as 11 with constraint_set3 (H.264 clause A.3.1).
    var levelRank: Int {
        let isLevel1b =
            level == 9 || (level == 11 && constraints & 0x10 != 0 && (profileByte == 0x42 || profileByte == 0x4D || profileByte == 0x58))
        return isLevel1b ? 105 : Int(level) * 10
    }

    /// A constrained baseline stream is also a baseline stream (H.264 clause A.2.1.1); receivers of other profiles have not promised it
    /// under the payload type that names theirs (RFC 6184 clause 8.2.2).
    public var takesConstrainedBaseline: Bool { profile == .constrainedBaseline || profile == .baseline }
}

/// What `a=fmtp` says of H.264 (RFC 6184 clause 8.1).
public struct H264Parameters: Sendable, Hashable {
    public var profileLevel: H264ProfileLevel
    public var packetizationMode: UInt8
    public var allowsLevelAsymmetry: Bool

    public init(profileLevel: H264ProfileLevel = .constrainedBaseline31, packetizationMode: UInt8 = 1, allowsLevelAsymmetry: Bool = true) {
        self.profileLevel = profileLevel
        self.packetizationMode = packetizationMode
        self.allowsLevelAsymmetry = allowsLevelAsymmetry
    }

    /// Nil when a parameter is no number or the mode is one that nobody uses (2, interleaved).
    init?(_ parameters: FormatParameters?) {
        var profileLevel = H264ProfileLevel.absent
        if let text = parameters?["profile-level-id"] {
            guard let named = H264ProfileLevel(text) else { return nil }
            profileLevel = named
        }
        let mode = parameters?["packetization-mode"] ?? "0"
        guard mode == "0" || mode == "1" else { return nil }
        self.init(
            profileLevel: profileLevel, packetizationMode: mode == "1" ? 1 : 0,
            allowsLevelAsymmetry: parameters?["level-asymmetry-allowed"] == "1")
    }

    var text: String {
        "level-asymmetry-allowed=\(allowsLevelAsymmetry ? 1 : 0);packetization-mode=\(packetizationMode);profile-level-id=\(profileLevel.text)"
    }

    /// Our answer to an offered format: its profile bytes; our level where both allow asymmetry, else the lower (RFC 6184 clause 8.2.2).
    func answer(ownLevel own: H264ProfileLevel) -> H264Parameters {
        var answer = self
        let isOwnLevel = allowsLevelAsymmetry || own.levelRank < profileLevel.levelRank
        let level = isOwnLevel ? own.level : profileLevel.level
        answer.profileLevel = H264ProfileLevel(profileByte: profileLevel.profileByte, constraints: profileLevel.constraints, level: level)
        return answer
    }
}
