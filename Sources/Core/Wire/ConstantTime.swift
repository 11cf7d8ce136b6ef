/// For secrets: comparing in a time that does not tell how much of a guess was right.
public enum ConstantTime {
    /// The time depends on the length of `guess` alone.
    public static func isSame(_ guess: [UInt8], _ secret: [UInt8]) -> Bool {
        var difference = guess.count ^ secret.count
        for index in guess.indices { difference |= Int(guess[index] ^ (secret.isEmpty ? 0 : secret[index % secret.count])) }
        return difference == 0
    }
}
