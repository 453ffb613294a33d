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
