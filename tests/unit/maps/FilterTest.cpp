// Designs of filters against numbers of scipy.signal, and matrices of references and spectra.
#include <plexus/brain.hpp>
#include <plexus/filters.hpp>

#include <gmock/gmock.h>

namespace {

namespace brain = plexus::graph::brain;
using namespace plexus::filters;
using testing::ElementsAre;
using testing::FloatNear;
using testing::HasSubstr;

void expectNear(const Sections &got, const Sections &want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t s = 0; s < want.size(); ++s)
    for (size_t i = 0; i < 6; ++i)
      EXPECT_NEAR(got[s][i], want[s][i], 1e-13) << s << ", " << i;
}

TEST(Filters, EqualTheReference) {
  Design low{.kind = Kind::Chebyshev1, .pass = Pass::Low, .order = 3, .band = {20}, .rate = 160};
  low.ripple = 0.7;
  expectNear(low.make(), {
                             {0.024356353393048053, 0.048712706786096106, 0.024356353393048053, 1.0,
                              -0.622729462825543, 0.0},
                             {1.0, 1.0, 0.0, 1.0, -1.1549670994836958, 0.6714421696116389},
                         });
  Design stop{
      .kind = Kind::Chebyshev2, .pass = Pass::Stop, .order = 2, .band = {45, 55}, .rate = 256};
  stop.attenuation = 33;
  expectNear(stop.make(), {
                              {0.4676102967782814, -0.23858893793415714, 0.4676102967782814, 1.0,
                               0.15915972974738607, 0.44091976323632254},
                              {1.0, -0.8372907273915353, 0.9999999999999999, 1.0,
                               -1.0460601057830274, 0.552272509064547},
                          });
  expectNear(Design{.pass = Pass::High, .order = 3, .band = {0.5}, .rate = 250}.make(),
             {
                 {0.9875121748695905, -0.9875121748695905, 0.0, 1.0, -0.9875119299073144, 0.0},
                 {1.0, -2.0, 1.0, 1.0, -1.9873554942063336, 0.9875124198318668},
             });
  const Sections alpha = Design{.order = 2, .band = {8, 13}, .rate = 250}.make();
  expectNear(alpha, {
                        {0.00362168151492864, 0.00724336302985728, 0.00362168151492864, 1.0,
                         -1.813261876300396, 0.9012769049316611},
                        {1.0, -2.0, 1.0, 1.0, -1.8843940947549707, 0.9288839497329642},
                    });
  const double states[][2] = {
      {0.16097209621825856, -0.1447228890514481},
      {-0.16459377773318729, 0.16459377773318729},
  };
  const auto steady = steadyState(alpha);
  ASSERT_EQ(steady.size(), 2u);
  for (size_t s = 0; s < 2; ++s)
    for (size_t i = 0; i < 2; ++i)
      EXPECT_NEAR(steady[s][i], states[s][i], 1e-12);
  expectNear(notch(60, 35, 1000), {
                                      {0.9946432102626643, -1.8495917375012585, 0.9946432102626643,
                                       1.0, -1.8495917375012585, 0.9892864205253287},
                                  });
  expectNear(notch(60, 35, 1000, /*peak=*/true),
             {
                 {0.0053567897373356654, 0.0, -0.0053567897373356654, 1.0, -1.8495917375012585,
                  0.9892864205253287},
             });
}

TEST(Filters, EqualTheReferenceOfEllipticAndBesselFilters) {
  expectNear(Design{.kind = Kind::Elliptic,
                    .pass = Pass::Low,
                    .order = 5,
                    .band = {20},
                    .rate = 250,
                    .ripple = 0.5,
                    .attenuation = 60}
                 .make(),
             {
                 {0.002683898538953717, 0.002683898538953717, 0.0, 1.0, -0.8125485237328034, 0.0},
                 {1.0, -0.6069351126541359, 0.9999999999999998, 1.0, -1.628951147922307,
                  0.7493986256557337},
                 {1.0, -1.2621745930903165, 1.0000000000000002, 1.0, -1.6713131174640399,
                  0.91567556502323},
             });
  expectNear(Design{.kind = Kind::Elliptic,
                    .pass = Pass::High,
                    .order = 4,
                    .band = {1},
                    .rate = 250,
                    .ripple = 0.1,
                    .attenuation = 40}
                 .make(),
             {
                 {0.9624041083700676, -1.9247809871032697, 0.9624041083700675, 1.0,
                  -1.9548875124149532, 0.9557143891969817},
                 {1.0, -1.9998520350744344, 1.0000000000000002, 1.0, -1.9912765476948677,
                  0.9917638066528564},
             });
  expectNear(Design{.kind = Kind::Elliptic,
                    .pass = Pass::Stop,
                    .order = 3,
                    .band = {45, 55},
                    .rate = 250,
                    .ripple = 1,
                    .attenuation = 50}
                 .make(),
             {
                 {0.7448995552648711, -0.4640322764579648, 0.744899555264871, 1.0,
                  -0.4988285460912654, 0.6015142953982252},
                 {1.0, -0.561937704526733, 1.0, 1.0, -0.37047655332088136, 0.9402616396123753},
                 {1.0, -0.6826971008453939, 1.0, 1.0, -0.8221338122001385, 0.9447208922590036},
             });
  expectNear(
      Design{.kind = Kind::Bessel, .pass = Pass::Low, .order = 3, .band = {30}, .rate = 250}.make(),
      {
          {0.025732812111341808, 0.051465624222683616, 0.025732812111341808, 1.0,
           -0.4568702766506621, 0.0},
          {1.0, 1.0, 0.0, 1.0, -0.9488398623323268, 0.32786993202034653},
      });
  expectNear(Design{.kind = Kind::Bessel,
                    .pass = Pass::Band,
                    .order = 2,
                    .band = {8, 30},
                    .rate = 250,
                    .norm = BesselNorm::Magnitude}
                 .make(),
             {
                 {0.07420263821698954, 0.14840527643397908, 0.07420263821698954, 1.0,
                  -1.0591156368289878, 0.38726977813628577},
                 {1.0, -2.0, 1.0, 1.0, -1.7021189438526072, 0.7430852832368416},
             });
  expectNear(Design{.kind = Kind::Bessel,
                    .pass = Pass::High,
                    .order = 4,
                    .band = {0.5},
                    .rate = 250,
                    .norm = BesselNorm::Delay}
                 .make(),
             {
                 {0.9937392327585043, -1.9874784655170086, 0.9937392327585043, 1.0,
                  -1.9920505568543123, 0.9920677656698668},
                 {1.0, -2.0, 1.0, 1.0, -1.9953941869939447, 0.9954079019516877},
             });
}

TEST(Filters, OfHighOrdersHoldTheirPromises) {
  // A Bessel filter of order 16 is 1 at frequency 0, an elliptic one within its ripple up to its
  // edge.
  auto gainAt = [](const Sections &sos, double turns) {
    const std::complex<double> z = std::polar(1.0, -2 * std::numbers::pi * turns);
    std::complex<double> gain = 1;
    for (const Section &s : sos)
      gain *= (s[0] + s[1] * z + s[2] * z * z) / (s[3] + s[4] * z + s[5] * z * z);
    return std::abs(gain);
  };
  const Sections bessel =
      Design{.kind = Kind::Bessel, .pass = Pass::Low, .order = 16, .band = {40}, .rate = 250}
          .make();
  EXPECT_NEAR(gainAt(bessel, 0), 1, 1e-9);
  const Sections elliptic = Design{.kind = Kind::Elliptic,
                                   .pass = Pass::Low,
                                   .order = 8,
                                   .band = {40},
                                   .rate = 250,
                                   .ripple = 0.1,
                                   .attenuation = 80}
                                .make();
  for (double frequency : {0., 10., 25., 39.9, 40.})
    EXPECT_THAT(20 * std::log10(gainAt(elliptic, frequency / 250)),
                testing::AllOf(testing::Ge(-0.1 - 1e-6), testing::Le(1e-6)))
        << frequency;
  for (double frequency : {60., 90., 124.})
    EXPECT_LE(gainAt(elliptic, frequency / 250), 1e-4 * (1 + 1e-6)) << frequency;
}

TEST(Filters, ArePaddedByThreeTimesTheirLength) {
  EXPECT_EQ(defaultPadding(Design{.order = 4, .band = {8, 30}, .rate = 250}.make()), 27);
  // An odd low pass has a section of order one.
  EXPECT_EQ(defaultPadding(Design{.pass = Pass::Low, .order = 3, .band = {30}, .rate = 250}.make()),
            12);
}

TEST(Filters, SayWhatIsWrongWithADesign) {
  EXPECT_EQ((Design{.order = 4, .band = {8, 30}, .rate = 250}.problem()), "");
  EXPECT_THAT((Design{.order = 0, .band = {8, 30}, .rate = 250}.problem()), HasSubstr("order"));
  EXPECT_THAT((Design{.order = 4, .band = {8, 130}, .rate = 250}.problem()),
              HasSubstr("half the sampling rate, 125"));
  EXPECT_THAT((Design{.order = 4, .band = {30, 8}, .rate = 250}.problem()),
              HasSubstr("lower edge"));
  Design elliptic{.kind = Kind::Elliptic, .order = 4, .band = {8, 30}, .rate = 250};
  elliptic.ripple = 40;
  EXPECT_THAT(elliptic.problem(), HasSubstr("larger than the ripple"));
  EXPECT_THAT((Design{.kind = Kind::Bessel, .order = 26, .band = {8, 30}, .rate = 250}.problem()),
              HasSubstr("from 1 to 25, got 26"));
  EXPECT_THAT((Design{.pass = Pass::Low, .order = 4, .band = {8, 30}, .rate = 250}.problem()),
              HasSubstr("expected 1"));
}

TEST(References, AreMatrices) {
  EXPECT_THAT(brain::averageReference(2).values, ElementsAre(0.5f, -0.5f, -0.5f, 0.5f));
  EXPECT_THAT(brain::channelReference(3, {2}).values, ElementsAre(1, 0, -1, 0, 1, -1, 0, 0, 0));
  EXPECT_THAT(brain::bipolar(3, {{0, 1}, {2, 0}}).values, ElementsAre(1, -1, 0, -1, 0, 1));
  EXPECT_THAT(brain::laplacian({{1, 2}, {0}, {}}).values,
              ElementsAre(1, -0.5f, -0.5f, -1, 1, 0, 0, 0, 1));
}

TEST(Spectrum, IsTheTransformOfAWindow) {
  brain::Spectrum s{.size = 4, .window = "boxcar", .rate = 8};
  EXPECT_EQ(s.bins(), 3);
  EXPECT_THAT(s.frequencies(), ElementsAre(0, 2, 4));
  const brain::Matrix m = s.matrix(); // divided by the window's sum, 4
  auto near = [](float value) { return FloatNear(value, 1e-7f); };
  EXPECT_THAT(m.values, ElementsAre(near(.25f), near(.25f), near(.25f), near(.25f), // mean
                                    near(.25f), near(0), near(-.25f), near(0),      // cos, one turn
                                    near(.25f), near(-.25f), near(.25f), near(-.25f), // cos, two
                                    near(0), near(0), near(0), near(0),               // -sin
                                    near(0), near(-.25f), near(0), near(.25f),        //
                                    near(0), near(0), near(0), near(0)));
  EXPECT_THAT(s.bands({{0, 2}, {1, 4}, {0, 4}, {1, 3}}).values,
              ElementsAre(1, 1, 0, 0, 1, 1, 1, 2, 1, 0, 0, 0));
  s.detrend = true;
  const brain::Matrix centered = s.matrix();
  for (size_t i = 0; i < 4; ++i)
    EXPECT_NEAR(centered.values[i], 0, 1e-7);
}

} // namespace
