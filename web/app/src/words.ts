/** Words that are short, kind, easy to say on the phone and hard to mistake for each other. */

export const ADJECTIVES = words(`
  able agile airy amber ample apt aqua astral autumn azure balmy bold brave breezy brief bright brisk bronze calm candid
  cheery chief civic clean clear clever coastal cobalt cool coral cosmic cozy crisp curious daily dapper daring deep deft
  dewy eager early easy elder epic even fair famous fancy fast fine firm fleet fluent fond frank free fresh frosty gentle
  giant glad golden good grand great green happy hardy hazel honest humble icy ideal indigo ivory jade jolly keen kind
  large late lilac lively loyal lucid lucky lunar magic maple mellow merry mild mint misty modest neat new nimble noble
  olive open opal patient pearl plain polar prime proud quick quiet rapid rare ready rosy royal ruby rustic scarlet
  serene sharp silver simple snug solar steady sunny swift`);

export const NOUNS = words(`
  acorn agate alcove alder almond anchor anvil apple apron arbor arch arrow aspen atlas attic autumn avocado badge badger
  bagel balcony bamboo banjo barge barley basil basin basket bay beach beacon beagle beech beetle bell bench berry birch
  biscuit bishop bison blanket blossom boat bonfire bonnet book border bottle bower branch bread breeze brick bridge brook
  broom bucket buckle bugle bundle button cabin cactus camel candle canoe canvas canyon carbon carpet carrot castle cedar
  cello cherry chestnut chime cider cinder cinnamon circle citrus clarinet cliff cloak clock cloud clover cobble cocoa
  coffee comet compass condor cookie copper cork cottage cotton cove coyote cradle crane crater creek cricket crocus
  crown crystal cup cypress daisy dawn delta desert diamond dolphin door dove dragon dune eagle echo elm ember engine
  falcon feather fern ferry fiddle field finch fiord flag flame flint flock flute fog forest fossil fountain fox galaxy
  garden garnet gate gecko ginger glacier glade globe goose grain granite grape grotto grove guitar gull hammer hammock
  harbor harp harvest hawk hazelnut heath hedge helm heron hill honey hoop horizon iris island ivy jacket jaguar jasmine
  jetty jigsaw juniper kayak kettle kite koala lagoon lake lantern lark laurel lemon lentil lily linen lion llama lobby
  locket loom lotus lute lynx magnet mallet mango mantle marble marina market marsh meadow melon meteor mill mirror
  mitten moon moss mountain mural nectar nest nickel nutmeg oak oasis oat ocean orbit orchid otter owl oyster paddle
  palm panda paper parade parrot peach pebble pelican pepper piano pillow pine planet plum pond poppy prairie`);

function words(text: string): readonly string[] {
  return text.trim().split(/\s+/);
}
