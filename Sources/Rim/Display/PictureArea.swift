/// Where a picture lies in a window: in the middle, as large as its aspect lets it.
struct PictureArea: Equatable {
    var x: Int
    var y: Int
    /// Even: chroma has half the size.
    var width: Int
    var height: Int

    init(of width: Int, _ height: Int, in windowWidth: Int, _ windowHeight: Int) {
        if windowWidth * height <= windowHeight * width {
            self.width = windowWidth & ~1
            self.height = Self.even(windowWidth * height, by: width, atMost: windowHeight)
        } else {
            self.height = windowHeight & ~1
            self.width = Self.even(windowHeight * width, by: height, atMost: windowWidth)
        }
        x = (windowWidth - self.width) / 2
        y = (windowHeight - self.height) / 2
    }

    /// The even number next to the quotient, from 2 on.
    private static func even(_ product: Int, by divisor: Int, atMost limit: Int) -> Int {
        max(2, min((product + divisor) / (2 * divisor) * 2, limit & ~1))
    }
}
