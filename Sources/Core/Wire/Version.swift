/// What this program calls itself.
public let waldoVersion = "0.1.0"
