/// Where a picture lies in a window: in the middle, as large as its aspect lets it.
package struct PictureArea {
    package var x: Int
    package var y: Int
    /// Even: chroma has half the size.
    package var width: Int
    package var height: Int

    package init(of width: Int, _ height: Int, in windowWidth: Int, _ windowHeight: Int) {
        if windowWidth * height <= windowHeight * width {
            self.width = windowWidth & ~1
            self.height = Self.even(self.width * height, by: width, atMost: windowHeight)
        } else {
            self.height = windowHeight & ~1
            self.width = Self.even(self.height * width, by: height, atMost: windowWidth)
        }
        x = (windowWidth - self.width) / 2
        y = (windowHeight - self.height) / 2
    }

    /// The even number next to the quotient, from 2 on.
    private static func even(_ product: Int, by divisor: Int, atMost limit: Int) -> Int {
        max(2, min((product + divisor) / (2 * divisor) * 2, limit & ~1))
    }
}
